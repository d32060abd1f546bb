"""Keep templates and snippets.  The only writer of ``Template``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from campaigns.messages import block_reader
from campaigns.messages.blocks import BlocksError
from campaigns.messages.render import TemplateError
from campaigns.models import Campaign, Template, Variant
from campaigns.services import campaigns, documents
from customers.models.consent import Channel
from rapport.access import audit
from rapport.errors import Conflict, DomainError

FIELDS = (
    "name", "kind", "channel", "subject", "preheader", "body", "blocks", "text", "translations"
)  # fmt: skip
CONTENT = FIELDS[2:]  # what a campaign takes over
NAME_LENGTH_MOST = 120


class TemplateRefused(DomainError):
    """Fields that make no template; `faults` has every reason."""

    code = "template_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@transaction.atomic
def create(*, user: Any, now: datetime, **fields: Any) -> Template:
    """Create a template or a snippet from its `FIELDS`."""
    template = Template(created_by=user, created_at=now, changed_at=now)
    _fill(template, {"name": "", **fields})
    audit(user, f"{template.kind}.created", f"template {template.pk}", name=template.name)
    return template


@transaction.atomic
def edit(template: Template, *, user: Any, now: datetime, **fields: Any) -> Template:
    """Change one.  What names a snippet says the new words from its next run on."""
    current = Template.objects.select_for_update().get(pk=template.pk)
    current.changed_at = now
    _fill(current, fields)
    audit(user, f"{current.kind}.edited", f"template {current.pk}", changed=sorted(fields))
    template.refresh_from_db()
    return template


def duplicate(template: Template, *, user: Any, now: datetime) -> Template:
    """Copy one under a name that is free."""
    fields = {name: getattr(template, name) for name in FIELDS}
    taken = set(Template.objects.filter(kind=template.kind).values_list("name", flat=True))
    number, name = 1, f"Copy of {template.name}"[:NAME_LENGTH_MOST]
    while name in taken:
        number += 1
        name = f"Copy {number} of {template.name}"[:NAME_LENGTH_MOST]
    return create(user=user, now=now, **{**fields, "name": name})


def start(template: Template, *, user: Any, now: datetime) -> Campaign:
    """A draft campaign that says what the template says; later changes of it are its own."""
    if template.kind != Template.Kind.TEMPLATE:
        raise Conflict(f"{template} is a snippet: it stands within messages.")
    fields = {name: getattr(template, name) for name in CONTENT}
    return campaigns.create(user=user, now=now, name=template.name, **fields)


@transaction.atomic
def delete(template: Template, *, user: Any) -> None:
    """Remove one that nothing names."""
    used = uses(template)
    if used:
        raise Conflict(f"{template} stands in {', '.join(used[:5])}: take it out there first.")
    audit(user, f"{template.kind}.deleted", f"template {template.pk}", name=template.name)
    Template.objects.filter(pk=template.pk).delete()


def uses(template: Template) -> list[str]:
    """The campaigns and templates that name a snippet."""
    if template.kind != Template.Kind.SNIPPET:
        return []
    # However deep it stands, in whatever language: jsonb writes each object in one way.
    named = rf'"snippet": {template.pk}[,}}]'
    found: list[str] = []
    for model in (Campaign, Variant, Template):
        rows: Any = model._default_manager.exclude(pk=template.pk if model is Template else 0)
        rows = rows.extra(  # the text of two columns, which no lookup reaches
            where=[
                f"({_table(model)}.blocks::text ~ %s OR {_table(model)}.translations::text ~ %s)"
            ],
            params=[named, named],
        )
        found += [
            f"the {model._meta.verbose_name} “{one if model is not Variant else one.campaign}”"
            for one in rows.order_by("pk")[:20]
        ]
    return list(dict.fromkeys(found))


def checked_blocks(blocks: Any, path: str = "blocks") -> list[str]:
    """What is wrong with a document, a sentence each."""
    try:
        block_reader.parse(blocks)
    except BlocksError as error:
        return [str(fault) for fault in error.faults]
    return []


def _table(model: Any) -> str:
    return f'"{model._meta.db_table}"'


def _fill(template: Template, fields: Mapping[str, Any]) -> None:
    faults = [f"There is no field {name}." for name in sorted(set(fields) - set(FIELDS))]
    if "name" in fields and not str(fields["name"]).strip():
        faults.append("A template needs a name.")
    if fields.get("channel", Channel.EMAIL) not in Channel.values:
        faults.append(f"There is no channel {fields['channel']}.")
    if fields.get("blocks"):
        faults += checked_blocks(fields["blocks"])
    faults += _translation_faults(fields.get("translations") or {})
    if faults:
        raise TemplateRefused(faults)
    for name in FIELDS:
        if name in fields:
            setattr(template, name, fields[name])
    template.translations = template.translations or {}
    try:
        template.clean_fields(exclude=["created_by"])
        with transaction.atomic():
            template.save()
        if template.blocks:
            documents.mjml(template.blocks)
    except ValidationError as error:
        raise TemplateRefused(
            [f"{name}: {' '.join(words)}" for name, words in error.message_dict.items()]
        ) from error
    except TemplateError as error:
        raise TemplateRefused(list(error.faults)) from error
    except IntegrityError as error:
        raise TemplateRefused([f"There is a {template.kind} “{template.name}” already."]) from error


def _translation_faults(translations: Any) -> list[str]:
    if not isinstance(translations, Mapping):
        return ["translations: expected an object of languages."]
    faults = []
    for language, said in translations.items():
        if not isinstance(said, Mapping):
            faults.append(f"translations.{language}: expected an object.")
        elif said.get("blocks"):
            faults += [f"translations.{language}.{one}" for one in checked_blocks(said["blocks"])]
    return faults
