import uuid

import django.db.models.deletion
from django.db import migrations, models

import tests.custom_users.models

PASSWORD = models.CharField(max_length=128, verbose_name="password")
LAST_LOGIN = models.DateTimeField(blank=True, null=True, verbose_name="last login")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Member",
            fields=[
                ("password", PASSWORD),
                ("last_login", LAST_LOGIN),
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("left_at", models.DateTimeField(null=True)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("password", PASSWORD),
                ("last_login", LAST_LOGIN),
                ("handle", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("second_factor", models.CharField(max_length=40)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("password", PASSWORD),
                ("last_login", LAST_LOGIN),
                (
                    "id",
                    tests.custom_users.models.PrefixedKey(
                        default=tests.custom_users.models.new_key,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("status", models.CharField(default="open", max_length=10)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Visitor",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("last_login", LAST_LOGIN),
                ("name", models.CharField(max_length=40, unique=True)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Chief",
            fields=[
                (
                    "member_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="custom_users.member",
                    ),
                ),
                ("title", models.CharField(max_length=20)),
            ],
            options={"abstract": False},
            bases=("custom_users.member",),
        ),
        migrations.CreateModel(
            name="Guest",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("custom_users.member",),
        ),
    ]
