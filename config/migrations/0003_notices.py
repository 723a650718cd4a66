from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("config", "0002_idempotent_answers")]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("detail", models.TextField(blank=True, default="")),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "config_notice"},
        ),
    ]
