"""docker-compose.yml cannot be run everywhere, so its shape and its promises are checked here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# The parts of the Compose specification that the file uses (compose-spec.io, 2024).
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
    "properties": {
        "build": {"type": ["string", "object"]},
        "image": {"type": "string"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "init": {"type": "boolean"},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "properties": {
                    "condition": {
                        "enum": [
                            "service_started",
                            "service_healthy",
                            "service_completed_successfully",
                        ]
                    }
                },
            },
        },
        "stop_grace_period": {"type": "string", "pattern": r"^\d+(s|m)$"},
        "command": {"type": "array", "items": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "string"}},
        "volumes": {"type": "array", "items": {"type": "string"}},
        "shm_size": {"type": "string"},
        "healthcheck": {
            "type": "object",
            "required": ["test", "interval", "timeout", "retries"],
            "properties": {"test": {"type": "array", "items": {"type": "string"}}},
        },
    },
}
SCHEMA = {
    "type": "object",
    "required": ["services", "volumes"],
    "properties": {"services": {"type": "object", "additionalProperties": SERVICE}},
}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def test_it_has_the_shape_of_a_compose_file(compose):
    jsonschema.validate(compose, SCHEMA)


def test_all_parts_are_there_and_the_long_running_ones_tell_their_health(compose):
    services = compose["services"]
    assert set(services) == {"migrate", "web", "worker", "beat", "postgres", "redis"}
    assert all("healthcheck" in services[name] for name in services if name != "migrate")


def test_each_dependency_and_volume_exists(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]


def test_no_secret_is_written_down(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("KEY|PASSWORD|SECRET", name):
                assert value.startswith("${"), f"{name} holds a value"
    address = compose["services"]["web"]["environment"]["DATABASE_URL"]
    assert "${POSTGRES_PASSWORD" in address


def test_the_worker_serves_every_queue_that_tasks_are_sent_to(compose):
    from django.conf import settings

    words = compose["services"]["worker"]["command"]
    served = set(words[words.index("--queues") + 1].split(","))
    sent = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert sent | {settings.CELERY_TASK_DEFAULT_QUEUE} <= served
    assert {"realtime", "dispatch", "train", "default"} == served


def test_only_the_web_port_is_open_and_only_here(compose):
    ports = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert ports == {"web": ["127.0.0.1:8000:8000"]}


def test_the_image_runs_as_nobody_in_particular():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER rapport"]
    assert not [line for line in lines if "apt-get install" in line and "gcc" in line]


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_each_command_names_a_program_and_an_app_that_exist(compose, name):
    words = compose["services"][name]["command"]
    if words[0] == "gunicorn":
        code = "import gunicorn.app.wsgiapp; from rapport.wsgi import application"
    else:
        code = "from rapport import celery_app; import celery.bin.celery; print(celery_app)"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "DJANGO_SETTINGS_MODULE": "rapport.settings"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
