"""ECInstruct's tasks built from MAVE, Amazon-Google and AmazonQA as eCeLLM (appendix A.1, A.4) does: AVE, PM, AP, AG.

AVE: `mave/**/mave_{positives,negatives}.jsonl` (schema in mave.py), seven attributes held out as out of domain.
PM: `product_matching/**/{Amazon,GoogleProducts,Amzon_GoogleProducts_perfectMapping}.csv` (Leipzig benchmark,
Latin-1): every match, and as many pairs that are none. Both are split 8:1:1 by a hash.
AP and AG: `amazonqa/**/{train,val,test}-qar.jsonl` (schema in amazonqa.py), their own splits; AP from Sports and
Tools, AG (answerable, descriptive questions; the answer most found helpful) from Electronics and Home; Cell Phones
are out of domain for both. A file without the wanted categories stands for them with those it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from training.data.ecinstruct_wordings import built_row, digest
from training.data.formats import Row, SourceFolder
from training.data.options import one_line
from training.data.reading import database, json_scan, quoted, stream
from training.data.sources import amazonqa, mave, product_matching
from training.data.sources.ecinstruct import AG, AP, AVE, PM, task_of

SPLITS = {"train": range(8), "val": range(8, 9), "test": range(9, 10)}
HELD_OUT = 7
DESCRIPTION_WORDS = 50
CATEGORIES = {
    AP: ("Sports_and_Outdoors", "Tools_and_Home_Improvement"),
    AG: ("Electronics", "Home_and_Kitchen"),
}
OUT_OF_DOMAIN = ("Cell_Phones_and_Accessories",)

_MAVE = {
    "id": "VARCHAR",
    "paragraphs": "STRUCT(text VARCHAR, source VARCHAR)[]",
    "attributes": 'STRUCT("key" VARCHAR, evidences STRUCT("value" VARCHAR, pid INT)[])[]',
}
_QAR = {
    "questionText": "VARCHAR",
    "questionType": "VARCHAR",
    "category": "VARCHAR",
    "is_answerable": "INT",
    "review_snippets": "VARCHAR[]",
    "answers": "STRUCT(answerText VARCHAR, helpful INT[])[]",
}


def _in_split(key: str, split: str) -> bool:
    return digest(f"split {key}") % 10 in SPLITS[split]


def value_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """AVE rows in the published form; an attribute without evidence has value and source "None"."""
    paths = sources.need_files("mave", "mave/**/mave_positives.jsonl*", "mave/**/mave_negatives.jsonl*")
    with database() as connection:
        connection.execute(f"CREATE VIEW mave AS SELECT * FROM {json_scan(paths, _MAVE)}")
        # Seven attributes by hash, as the paper drew seven at random; the same whatever the split.
        held_out = [
            row[0]
            for row in connection.execute(
                f"""SELECT name FROM (SELECT DISTINCT unnest(attributes)."key" AS name FROM mave)
                    ORDER BY md5_number_lower(name), name LIMIT {HELD_OUT}"""
            ).fetchall()
        ]
        found = stream(
            connection,
            "SELECT id, paragraphs, attributes FROM mave ORDER BY md5_number_lower(id), id, attributes::VARCHAR",
        )
        for row in found:
            names = [attribute["key"] for attribute in row["attributes"] or []]
            if names and (names[0] in held_out) == ood and (ood or _in_split(row["id"], split)):
                yield _value_row(row, names, split, ood)


def _value_row(row: Row, names: list[str], split: str, ood: bool) -> Row:
    fields: dict[str, list[str]] = {}
    for part in row["paragraphs"]:
        fields.setdefault(f"product {part['source']}", []).append(one_line(part["text"]))
    found = []
    for attribute in row["attributes"]:
        for evidence in attribute["evidences"] or [None]:
            value, source = "None", "None"
            if evidence:
                value, source = evidence["value"], f"product {row['paragraphs'][evidence['pid']]['source']}"
                value = value.lower()
            found.append({"attribute": attribute["key"].lower(), "value": value, "source": source})
    distinct = list({tuple(one.values()): one for one in found}.values())
    given = {name: ", ".join(texts) for name, texts in fields.items()} | {"target attributes": " and ".join(names)}
    return built_row(AVE, f"{row['id']}|{names[0]}", split, given, None, json.dumps(distinct, ensure_ascii=False), ood)


def match_rows(sources: SourceFolder, split: str = "train") -> Iterator[Row]:
    """PM rows in the published form, matches and others in turns."""
    tables = {
        name: sources.need_files("product_matching", f"product_matching/**/{file}.csv")
        for name, file in (
            ("amazon", "Amazon"),
            ("google", "GoogleProducts"),
            ("matches", "Amzon_GoogleProducts_perfectMapping"),
        )
    }
    with database() as connection:
        for name, paths in tables.items():
            connection.execute(
                f"""CREATE TABLE {name} AS
                    SELECT * FROM read_csv({quoted(paths)}, header=true, all_varchar=true, encoding='latin-1')"""
            )
        found = stream(
            connection,
            """WITH a AS (SELECT *, row_number() OVER (ORDER BY md5_number_lower(id), id) AS n FROM amazon),
                g AS (SELECT *, row_number() OVER (ORDER BY md5_number_lower(id), id) AS n FROM google),
                pairs AS (
                    SELECT DISTINCT idAmazon AS first, idGoogleBase AS second, 'yes' AS same FROM matches
                    UNION ALL SELECT a.id, g.id, 'no' FROM a JOIN g USING (n)
                        WHERE (a.id, g.id) NOT IN (SELECT (idAmazon, idGoogleBase) FROM matches)),
                turns AS (SELECT *, row_number() OVER (PARTITION BY same
                    ORDER BY md5_number_lower(first || second), first, second) AS turn FROM pairs)
                SELECT first || '|' || second AS key, same, a.title AS t1, a.description AS d1, a.manufacturer AS m1,
                    a.price AS p1, g.name AS t2, g.description AS d2, g.manufacturer AS m2, g.price AS p2
                FROM turns JOIN amazon a ON a.id = first JOIN google g ON g.id = second
                WHERE turn <= (SELECT count(*) FROM pairs WHERE same = 'yes') ORDER BY turn, same DESC""",
        )
        for row in found:
            if _in_split(row["key"], split):
                given = {f"product {side}": _product(row, side) for side in (1, 2)}
                yield built_row(PM, row["key"], split, given, None, row["same"])


def _product(row: Row, side: int) -> dict[str, str]:
    words = one_line(row[f"d{side}"]).split()
    description = " ".join(words[:DESCRIPTION_WORDS]) + ("..." if len(words) > DESCRIPTION_WORDS else "")
    return {
        "title": one_line(row[f"t{side}"]),
        "description": description or "nan",
        "manufacturer": one_line(row[f"m{side}"]) or "nan",
        "price": one_line(row[f"p{side}"]) or "nan",
    }


def _questions(sources: SourceFolder, task: str, split: str, ood: bool) -> Iterator[Row]:
    paths = sources.need_files("amazonqa", f"amazonqa/**/{split}-qar.jsonl*")
    wanted = OUT_OF_DOMAIN if ood else CATEGORIES[task]
    with database() as connection:
        connection.execute(f"CREATE VIEW qar AS SELECT * FROM {json_scan(paths, _QAR)}")
        listed = ", ".join(map(quoted, wanted))
        known = connection.execute(f"SELECT count(*) FROM qar WHERE category IN ({listed})").fetchall()[0][0]
        where = f"category IN ({listed})" if known or ood else "category NOT IN (" + quoted(OUT_OF_DOMAIN[0]) + ")"
        yield from stream(
            connection,
            f"""SELECT md5(questionText || review_snippets::VARCHAR) AS key, * FROM qar
                WHERE {where} AND questionText <> '' AND len(review_snippets) > 0
                ORDER BY md5_number_lower(key), key, answers::VARCHAR""",
        )


def _asked(row: Row) -> Row:
    snippets = [one_line(snippet) for snippet in row["review_snippets"]]
    return {"question": one_line(row["questionText"]), "document": snippets}


def answerable_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """AP rows in the published form."""
    for row in _questions(sources, AP, split, ood):
        yield built_row(AP, row["key"], split, _asked(row), None, "yes" if row["is_answerable"] == 1 else "no", ood)


def answer_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """AG rows in the published form; a question without an answer that somebody found helpful is left out."""
    for row in _questions(sources, AG, split, ood):
        if row["questionType"] != "descriptive" or row["is_answerable"] != 1:
            continue
        helpful = [answer for answer in row["answers"] or [] if (answer["helpful"] or [0])[0] > 0]
        if helpful:
            best = max(helpful, key=lambda answer: answer["helpful"][0])
            yield built_row(AG, row["key"], split, _asked(row), None, one_line(best["answerText"]), ood)


TASKS = (
    task_of(AVE, value_rows, "concepts", built=True, licence=mave.LICENCE, shareable=False),
    task_of(PM, match_rows, "concepts", built=True, licence=product_matching.LICENCE),
    task_of(AP, answerable_rows, "knowledge", built=True, licence=amazonqa.LICENCE, shareable=False),
    task_of(AG, answer_rows, "knowledge", built=True, licence=amazonqa.LICENCE, shareable=False),
)
