"""
Links that let people in, where people logged in from, and what strangers tried. First passwords that nobody changed yet
end a week from now.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


FIRST_PASSWORDS_END = """
    UPDATE teams_user SET password_expires_at = now() + interval '7 days'
    WHERE must_change_password AND password_expires_at IS NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0002_passwords_to_be_changed'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='failed_login_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='failed_login_from',
            field=models.TextField(db_default='', default='', editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='failed_logins',
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='own_since',
            field=models.DateTimeField(editable=False, help_text='Since when no team that it was made for can know its password.', null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='password_expires_at',
            field=models.DateTimeField(editable=False, help_text='Until when a first password opens anything.', null=True),
        ),
        migrations.CreateModel(
            name='EntryLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(help_text='Whom it is for.', max_length=254)),
                ('role', models.CharField(blank=True, choices=[('viewer', 'Viewer: reads'), ('responder', 'Responder: works on incidents'), ('manager', 'Manager: also monitors, keys, endpoints, members')], help_text='Of an invitation.', max_length=20)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='entry_links', to='teams.team')),
                ('user', models.ForeignKey(help_text='Whose password is made.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='entry_links', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['team', 'created_at'], name='entry_link_of_team')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('role', ''), ('user__isnull', False)), models.Q(('role__in', ['viewer', 'responder', 'manager']), ('team__isnull', False), ('user__isnull', True)), _connector='OR'), name='entry_link_of_one_kind')],
            },
        ),
        migrations.CreateModel(
            name='LoginPlace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.BinaryField(help_text='A keyed digest of the person and the network.', max_length=32)),
                ('seen_at', models.DateTimeField()),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='login_places', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'place'), name='login_place_once')],
            },
        ),
        migrations.RunSQL(FIRST_PASSWORDS_END, migrations.RunSQL.noop),
    ]
