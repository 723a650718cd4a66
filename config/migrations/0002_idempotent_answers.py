"""What requests with an Idempotency-Key were answered."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('config', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdempotentAnswer',
            fields=[
                ('key', models.BinaryField(help_text='SHA-256 of the key and whose it is.', primary_key=True, serialize=False)),
                ('request', models.BinaryField(help_text='SHA-256 of all that makes a request the same.', max_length=32)),
                ('answered', models.SmallIntegerField(help_text='An HTTP status.')),
                ('body', models.BinaryField()),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'config_idempotent_answer',
                'indexes': [models.Index(fields=['created_at'], name='idempotent_answer_oldest')],
            },
        ),
    ]
