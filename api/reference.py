"""An OpenAPI description as one page of HTML that needs nothing from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

Spec = dict[str, Any]

_PAGE = (Path(__file__).parent / "static" / "docs.html").read_text()


def render(spec: Spec) -> str:
    """Return the page for `spec`."""
    operations = [
        _operation(path, method, found)
        for path, item in spec["paths"].items()
        for method, found in item.items()
    ]
    schemas = [_schema(name, found) for name, found in spec["components"]["schemas"].items()]
    return (
        _PAGE.replace("{{title}}", escape(f"{spec['info']['title']} {spec['info']['version']}"))
        .replace("{{summary}}", escape(spec["info"].get("summary", "")))
        .replace("{{operations}}", "\n".join(operations))
        .replace("{{schemas}}", "\n".join(schemas))
    )


def _operation(path: str, method: str, found: Spec) -> str:
    answers = "".join(
        f"<tr><td>{escape(code)}</td><td>{escape(answer['description'])}</td></tr>"
        for code, answer in found["responses"].items()
    )
    sent = "".join(
        f"<p>Body, {escape(kind)}: {_shape(media.get('schema', {}))}</p>"
        for kind, media in found.get("requestBody", {}).get("content", {}).items()
    )
    parameters = "".join(
        f"<p>Header <code>{escape(each['name'])}</code>. {escape(each.get('description', ''))}</p>"
        for each in found.get("parameters", [])
    )
    return (
        f"<details><summary><b>{escape(method.upper())}</b> <code>{escape(path)}</code> "
        f"{escape(found.get('summary', ''))}</summary>{parameters}{sent}<table>{answers}</table></details>"
    )


def _schema(name: str, found: Spec) -> str:
    required = found.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(member)}</code>{'' if member in required else '?'}</td>"
        f"<td>{_shape(shape)} {escape(shape.get('description', ''))}</td></tr>"
        for member, shape in found.get("properties", {}).items()
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(found.get("description", ""))}</p><table>{rows}</table>'


def _shape(shape: Spec) -> str:
    if "$ref" in shape:
        name = escape(shape["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "oneOf" in shape:
        return " or ".join(_shape(each) for each in shape["oneOf"])
    if "enum" in shape:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in shape["enum"])
    if "const" in shape:
        return f"<code>{escape(str(shape['const']).lower())}</code>"
    kind = shape.get("type", "anything")
    if kind == "array":
        return f"array of {_shape(shape.get('items', {}))}"
    return escape(kind if isinstance(kind, str) else " or ".join(kind))
