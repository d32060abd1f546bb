FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONPATH=/app:/app/platform DJANGO_SETTINGS_MODULE=rapport.settings
RUN useradd --system --uid 10001 --create-home --home-dir /home/rapport rapport \
    && install -d -o rapport -m 700 /home/rapport/.rapport
WORKDIR /app
COPY requirements.lock pyproject.toml README.md CHANGELOG.md LICENSE manage.py ./
RUN pip install --only-binary :all: --require-hashes -r requirements.lock
COPY platform platform
COPY customers customers
COPY segments segments
COPY campaigns campaigns
COPY templates templates
# Static files need production's settings, and settings need no server: these values stay in this line.
RUN ENVIRONMENT=production SECRET_KEY=only-to-collect-static-files ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgres://unused/unused REDIS_URL=redis://unused \
    python manage.py collectstatic --noinput -v 0
USER rapport
ENV RAPPORT_HOME=/home/rapport/.rapport
EXPOSE 8000
CMD ["gunicorn", "rapport.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4"]
