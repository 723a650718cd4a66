"""The ground's two tables. Counters are worth no write-ahead log, and are updated in place."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.CreateModel(
            name="RateWindow",
            fields=[
                ("key", models.BinaryField(primary_key=True, serialize=False)),
                ("ends_at", models.DateTimeField()),
                ("hits", models.IntegerField()),
            ],
            options={"db_table": "config_rate_window"},
        ),
        migrations.RunSQL(
            "ALTER TABLE config_rate_window SET UNLOGGED; ALTER TABLE config_rate_window SET (fillfactor = 50)",
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name="WorkerLoop",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("ran_at", models.DateTimeField()),
                ("lag_seconds", models.FloatField(default=0)),
                ("detail", models.TextField(blank=True, default="")),
            ],
            options={"db_table": "config_worker_loop"},
        ),
    ]
