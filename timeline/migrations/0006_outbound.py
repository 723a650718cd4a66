"""Endpoints, messages and attempts; and which installation this is."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import timeline.outbound.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0002_passwords_to_be_changed'),
        ('timeline', '0005_facts_name_their_groups'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('url', models.CharField(max_length=2048, verbose_name='URL')),
                ('description', models.CharField(blank=True, max_length=255)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, help_text='Which events are sent; none named: all.', size=None)),
                ('further', models.BooleanField(default=False, help_text='Also send what the log’s 19 events can’t carry, for a receiver that understands Watchkeeper.', verbose_name='further events and fields')),
                ('relay', models.BooleanField(default=False, help_text='Also pass on what integrations tell, under our own ids.')),
                ('secret_ciphertext', models.BinaryField()),
                ('old_secret_ciphertext', models.BinaryField(null=True)),
                ('old_secret_until', models.DateTimeField(editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('disabled_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('disabled_why', models.TextField(blank=True, editable=False, help_text='Empty where a person did it.')),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('succeeded_at', models.DateTimeField(editable=False, null=True)),
                ('failing_since', models.DateTimeField(editable=False, help_text='When it failed first since it last succeeded.', null=True)),
                ('lease_token', models.BigIntegerField(default=0, editable=False)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='endpoints', to='teams.team')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('public_id', models.CharField(default=timeline.outbound.models.installation_id, editable=False, max_length=40)),
                ('counter', models.BigIntegerField(default=0, editable=False)),
                ('paused_at', models.DateTimeField(editable=False, help_text='Since when nothing is sent.', null=True)),
                ('paused_why', models.TextField(blank=True, editable=False)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_installation')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('webhook_id', models.CharField(max_length=64)),
                ('event', models.TextField()),
                ('subject_kind', models.CharField(max_length=20)),
                ('subject_id', models.BigIntegerField()),
                ('fact_id', models.BigIntegerField(help_text='The fact that it tells; none for a test.', null=True)),
                ('body', models.TextField()),
                ('created_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('new', 'New'), ('behind', 'Waits for one before it'), ('due', 'Waits to be sent'), ('sending', 'Being sent'), ('delivered', 'Delivered'), ('dead', 'Given up')], default='new', max_length=10)),
                ('due_at', models.DateTimeField(null=True)),
                ('tries', models.SmallIntegerField(default=0)),
                ('ended_at', models.DateTimeField(help_text='When it was delivered or given up.', null=True)),
                ('why', models.TextField(blank=True, help_text='What was wrong with the last attempt.')),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='timeline.endpoint')),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='teams.team')),
            ],
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('status_code', models.SmallIntegerField(help_text='Of the answer; empty: there was none.', null=True)),
                ('error', models.TextField(blank=True, help_text='Why it failed; empty: it was delivered.')),
                ('excerpt', models.TextField(blank=True, help_text='The answer’s first 64 KiB.')),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='timeline.message')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(fields=['team', '-id'], name='endpoint_newest'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status', 'new')), fields=['endpoint', 'id'], name='message_new'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status', 'due')), fields=['endpoint', 'due_at', 'id'], name='message_due'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status', 'sending')), fields=['endpoint', 'id'], name='message_sending'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status__in', ['new', 'behind', 'due', 'sending'])), fields=['endpoint', 'subject_kind', 'subject_id', 'id'], name='message_lane'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['endpoint', '-id'], name='message_of_endpoint'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['team', '-id'], name='message_newest'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status', 'delivered'), _negated=True), fields=['team', 'status', '-id'], name='message_by_status'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('endpoint', 'webhook_id'), name='message_once_per_endpoint'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['new', 'behind', 'due', 'sending', 'delivered', 'dead'])), name='message_status_known'),
        ),
    ]
