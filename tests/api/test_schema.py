"""The schemas as published: golden files, described fields, no Float; GraphiQL without a CDN."""

import hashlib
import re
from pathlib import Path

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
)

from api.access import Tier
from api.app import STATIC
from api.schema.kinds import KINDS
from api.schema.schemas import print_all, schema_path, schema_text
from ledger.kinds import KINDS as LEDGER_KINDS
from tests.api.doors import Doors

TIERS = pytest.mark.parametrize("tier", list(Tier), ids=lambda tier: tier.value)


@TIERS
def test_the_golden_file_is_what_the_code_prints(tier: Tier) -> None:
    assert schema_path(tier).read_text(encoding="utf-8") == schema_text(tier), "run ./xin schema"


def test_all_tiers_are_printed(tmp_path: Path) -> None:
    assert [path.name for path in print_all(tmp_path)] == [
        f"schema.{tier.value}.graphql" for tier in Tier
    ]


@TIERS
def test_everything_is_described_and_nothing_is_a_float(tier: Tier) -> None:
    schema = build_schema(schema_text(tier))
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_) or name in ("String", "Int", "Boolean", "ID"):
            continue
        assert name != "Float"
        assert type_.description, f"{name} has no description"
        fields = getattr(type_, "fields", {})
        for field_name, field in fields.items():
            assert field.description, f"{name}.{field_name} has no description"
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
                for argument_name, argument in field.args.items():
                    assert argument.description, f"{name}.{field_name}({argument_name}:)"
            else:
                assert isinstance(type_, GraphQLInputObjectType)


def test_every_kind_of_the_ledger_has_its_type() -> None:
    assert set(KINDS) == set(LEDGER_KINDS)


GRAPHIQL = STATIC / "graphiql"


async def test_the_page_asks_nobody_else(doors: Doors) -> None:
    for path in ("/", "/graphql"):
        page = await doors.client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "://" not in policy
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(links) > 6
        for link in links:
            assert link.startswith("/") or link == "data:,"
            if link.startswith("/static/"):
                assert (await doors.client.get(link)).status_code == 200
    for name in ("index.html", "page.js", "page.css"):
        assert "://" not in (GRAPHIQL / name).read_text(encoding="utf-8")
    style = (GRAPHIQL / "graphiql.min.css").read_text(encoding="utf-8")
    assert set(re.findall(r"url\((\w+:)", style)) <= {"data:"}
    assert "@import" not in style


def test_vendored_files_are_the_published_ones() -> None:
    readme = (GRAPHIQL / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.-]+) \| npm [^|]+ \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE)
    assert len(rows) == 4
    for name, digest in rows:
        assert hashlib.sha256((GRAPHIQL / name).read_bytes()).hexdigest() == digest


async def test_the_examples_of_the_page_are_good_questions(doors: Doors) -> None:
    page = (GRAPHIQL / "page.js").read_text(encoding="utf-8")
    queries = re.findall(r"query: `([^`]+)`", page)
    assert len(queries) == 4
    for query in queries:
        content = await doors.post(query, {"id": "", "link": ""})
        assert "errors" not in content
