from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("config", "0003_notices")]

    operations = [
        migrations.CreateModel(
            name="KeyCanary",
            fields=[
                (
                    "digest",
                    models.BinaryField(
                        help_text="What tells one key from another.", primary_key=True, serialize=False
                    ),
                ),
                ("sealed", models.BinaryField(null=True)),
                ("made_at", models.DateTimeField()),
            ],
            options={"db_table": "config_key_canary"},
        ),
    ]
