"""Forms of the pages of customers."""

from django import forms

from customers.collect import uploads

KINDS = [
    ("orders", "Orders, one row a line"),
    ("customers", "Customers"),
    ("products", "Products"),
    ("events", "Events"),
    ("reviews", "Reviews"),
    ("consent", "Consent"),
]


class UploadForm(forms.Form):
    """Which file, of what, from where."""

    kind = forms.ChoiceField(label="What is in it", choices=KINDS)
    source = forms.SlugField(
        label="Where it comes from",
        max_length=40,
        error_messages={"invalid": "Use letters, digits, “-” and “_” only, such as “shop-fr”."},
        help_text="A short word for the shop or system, such as “shop”. Numbers of customers, "
        "orders and products are unique within it, so use the same word each time.",
    )
    file = forms.FileField(
        label="File",
        help_text="CSV with a header, or JSON lines, in UTF-8, plain or .gz, up to "
        f"{uploads.MOST_BYTES // 2**20} MB. Larger files are imported on the server with "
        "<code>manage.py import_data</code>.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.jsonl,.ndjson,.gz"}),
    )

    def clean_file(self):
        file = self.cleaned_data["file"]
        if not file.name.lower().endswith(uploads.SUFFIXES):
            raise forms.ValidationError(
                f"{file.name} is neither CSV nor JSON lines: expected one of "
                f"{', '.join(uploads.SUFFIXES)}."
            )
        if file.size > uploads.MOST_BYTES:
            raise forms.ValidationError(
                f"{file.name} has {file.size / 2**20:.0f} MB, at most "
                f"{uploads.MOST_BYTES // 2**20} MB can be uploaded."
            )
        return file


class WriteKeyForm(forms.Form):
    """What sends, and under which name its facts are kept."""

    name = forms.CharField(
        label="Name", max_length=120, help_text="What people call it, such as “Shop, French site”."
    )
    source = forms.SlugField(
        label="Source",
        max_length=40,
        error_messages={"invalid": "Use letters, digits, “-” and “_” only, such as “shop-fr”."},
        help_text="A short word for where facts come from. Numbers of customers, orders and "
        "products are unique within it: sites of one shop share the word of its imports.",
    )
    kind = forms.ChoiceField(
        label="Sends from",
        choices=[
            ("browser", "Pages and apps: the key is public"),
            ("server", "Your server: the key stays secret"),
        ],
        help_text="A server learns the segments of everybody it names; a browser only those of a "
        "visitor whom nobody knows yet.",
    )
