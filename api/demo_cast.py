"""The people of the demonstration: authorities, exporters, and what was stated about them.

    synthetic_code an identifier that checks and is given to nobody
    Authority      who states
    AUTHORITIES    registry, market supervision, customs, intellectual property office
    Firm, FIRMS    exporters of all twelve leagues and cities, and who else handles their goods
    WORKSHOP       a one-person business, which the log knows by a random label only
    binding        the registry's statement that gives it that label
    Deed, DEEDS    what went wrong, by whom it was found and how it ended
    Told           one statement, before whoever states it signs
    told           everything, in the order of the days

All of it is invented, and every statement says `synthetic`. Identifiers are valid in form and given
to nobody. Days count back from REFERENCE, so that a grade depends on the day that is asked about,
and never on the day of telling: serious findings weigh for three years, so that the world has all
four grades now and still has them a year later. Inspections fail in three of a hundred, findings
per firm have a long tail, and seizures run from hundreds to thousands of items, as in the figures
that China's authorities publish. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from ledger.canonical import Json, b64url
from ledger.identity import Identity, organisation_check, social_credit_check
from ledger.statement import Severity, Weighing

REFERENCE = date(2026, 11, 20)
"""The last day on which anything happens in this world."""

FILED_DAYS_BEFORE = 1_100
"""All firms are filed before anything is stated about them."""

PASSES_DAYS = 640
"""Passed inspections are spread over this many days before REFERENCE."""


def synthetic_code(body_and_kind: str, division: str, serial: int) -> str:
    """A social credit identifier that checks and is given to nobody (GB 32100-2015)."""
    organisation = f"MA0XD{serial:03d}"
    first = f"{body_and_kind}{division}{organisation}{organisation_check(organisation)}"
    return first + social_credit_check(first)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who states."""

    key: str
    identity: Identity
    names: Mapping[str, str]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Firm:
    """Who is filed."""

    key: str
    identity: Identity
    zh: str
    en: str
    country: str
    region: str
    industry: str
    """GB/T 4754 class or group."""
    port: str
    """The county of the border crossing (GB/T 2260), or empty."""
    passes: int
    goods: str


@dataclass(frozen=True, slots=True)
class Deed:
    """A finding that is no passed inspection."""

    firm: str
    days_before: int
    by: str
    kind: str
    code: str
    outcome: str
    severity: str | None
    text: str
    basis: str | None = None
    matter: str | None = None
    """Deeds of one matter are one case."""
    measures: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """One statement, before it is signed."""

    by: str
    firm: str
    jti: str
    weighing: Weighing
    particulars: Mapping[str, Json]


def _authority(key: str, serial: int, zh: str, en: str, *kinds: str) -> Authority:
    identity = Identity.parse("uscc", synthetic_code("11", "150000", serial))
    return Authority(key, identity, {"en": en, "zh": zh}, kinds)


AUTHORITIES: Mapping[str, Authority] = {
    authority.key: authority
    for authority in (
        _authority(
            "registry", 901, "企业登记局（演示）", "Registry (demonstration)", "binding", "filing"
        ),
        _authority(
            "market",
            902,
            "市场监督管理局（演示）",
            "Market supervision (demonstration)",
            "enforcement",
            "fraud-case",
            "inspection",
            "ip-case",
        ),
        _authority(
            "customs",
            903,
            "海关（演示）",
            "Customs (demonstration)",
            "enforcement",
            "fraud-case",
            "inspection",
            "ip-case",
        ),
        _authority("ip", 904, "知识产权局（演示）", "IP office (demonstration)", "ip-case"),
    )
}

MANZHOULI, ERENHOT, GANQIMAODU, CEKE = "150781", "152501", "150824", "152923"
HEISHANTOU, ARXAN, ZHUENGADABUQI = "150784", "152202", "152525"

_EXPORTERS = (
    ("chilechuan", "150100", "敕勒川乳业", "Chilechuan Dairy", "1441", ERENHOT, 41, "UHT milk"),
    ("qingcheng", "150100", "青城生物科技", "Qingcheng Biotech", "2760", "", 2, "amino acids"),
    ("lucheng", "150200", "鹿城稀土新材料", "Lucheng Rare Earth", "3232", MANZHOULI, 14, "oxides"),
    ("kunhe", "150200", "昆河钢构", "Kunhe Steel Structures", "3311", GANQIMAODU, 11, "beams"),
    ("haibowan", "150300", "海勃湾化工", "Haibowan Chemicals", "2614", GANQIMAODU, 9, "methanol"),
    ("songshan", "150400", "松山杂粮", "Songshan Coarse Grains", "1319", MANZHOULI, 12, "millet"),
    ("yulong", "150400", "玉龙陶瓷", "Yulong Ceramics", "3073", "", 6, "tableware"),
    ("horqin", "150500", "科尔沁牛业", "Horqin Beef", "1351", MANZHOULI, 26, "frozen beef"),
    ("xiliao", "150500", "西辽河淀粉", "Xiliao River Starch", "1391", MANZHOULI, 10, "starch"),
    ("nuancheng", "150600", "暖城羊绒", "Nuancheng Cashmere", "172", ERENHOT, 15, "cashmere yarn"),
    ("maowusu", "150600", "毛乌素沙棘", "Mu Us Seabuckthorn", "1523", ERENHOT, 13, "juice"),
    ("hulunbuir", "150700", "呼伦贝尔肉业", "Hulunbuir Meat", "1351", MANZHOULI, 18, "lamb"),
    ("ergun", "150700", "额尔古纳菜籽油", "Ergun Rapeseed Oil", "1331", HEISHANTOU, 0, "oil"),
    (
        "manzhouli",
        "150700",
        "满洲里北境贸易",
        "Northern Border Trading",
        "5193",
        MANZHOULI,
        7,
        "toys",
    ),
    ("hetao", "150800", "河套葵花", "Hetao Sunflower", "1392", GANQIMAODU, 12, "sunflower seeds"),
    ("linhe", "150800", "临河番茄", "Linhe Tomato", "1371", GANQIMAODU, 3, "tomato paste"),
    ("urad", "150800", "乌拉特能源", "Urad Energy Trading", "5162", GANQIMAODU, 8, "coke"),
    ("ulanqab", "150900", "乌兰察布马铃薯", "Ulanqab Potato", "1371", ERENHOT, 14, "potato flour"),
    ("jining", "150900", "集宁皮革", "Jining Leather", "1921", ERENHOT, 5, "leather jackets"),
    ("hinggan", "152200", "兴安大米", "Hinggan Rice", "1311", ARXAN, 12, "rice"),
    ("xilin", "152500", "锡林羔羊", "Xilin Lamb", "1351", ZHUENGADABUQI, 22, "lamb"),
    ("erenhot", "152500", "二连浩特云购", "Erenhot Cloud Shop", "5292", ERENHOT, 9, "shoes"),
    ("alxa", "152900", "阿拉善驼奶", "Alxa Camel Milk", "1442", CEKE, 16, "camel milk powder"),
    ("cistanche", "152900", "阿拉善苁蓉", "Alxa Cistanche", "2730", CEKE, 4, "cistanche slices"),
)

_HANDLERS = (
    ("ranch", "150100", "和林牧场", "Helin Ranch", "0311", "", 8, "raw milk"),
    ("carrier", "152500", "草原丝路物流", "Steppe Road Logistics", "5430", ERENHOT, 0, "transport"),
)


def _filed(row: tuple[str, str, str, str, str, str, int, str], serial: int) -> Firm:
    key, region, zh, en, industry, port, passes, goods = row
    identity = Identity.parse("uscc", synthetic_code("91", region, serial))
    names = (f"{zh}有限公司（演示）", f"{en} Co., Ltd. (demonstration)")
    return Firm(key, identity, *names, "CN", region, industry, port, passes, goods)


SHOP = Firm(
    "shop",
    # ISO 17442: the fifth and sixth sign are 00 for all; no issuer has the prefix XNYD.
    Identity.parse("lei", "XNYD00DEMOSHOPUB0049"),
    "蓝天超市（演示）",
    "Blue Sky Market, Ulaanbaatar (demonstration)",
    "MN",
    "Ulaanbaatar",
    "5211",
    "",
    0,
    "groceries",
)

WORKSHOP = Firm(
    "workshop",
    Identity.parse("uscc", synthetic_code("92", "150102", 801)),
    "其其格毛毡坊（演示）",
    "Qiqige Felt Workshop (demonstration)",
    "CN",
    "150100",
    "172",
    ERENHOT,
    6,
    "felt slippers",
)

FIRMS: Mapping[str, Firm] = {
    firm.key: firm
    for firm in (
        *(_filed(row, serial) for serial, row in enumerate((*_EXPORTERS, *_HANDLERS), 1)),
        SHOP,
        WORKSHOP,
    )
}


def _deed(
    firm: str,
    days_before: int,
    by: str,
    what: str,
    severity: str | None,
    text: str,
    *,
    lab: bool = False,
    matter: str | None = None,
    right_holder: str | None = None,
    **measures: int,
) -> Deed:
    kind, code, outcome = what.split()
    more: dict[str, Json] = {} if right_holder is None else {"right_holder": right_holder}
    if lab:
        measures = {"samples": 5, "samples_failed": 1}
    basis = "lab" if lab else None
    return Deed(
        firm, days_before, by, kind, code, outcome, severity, text, basis, matter, measures, more
    )


_FAKES = "ip-case counterfeit-goods confirmed"
_MARK = "ip-case trademark confirmed"
_SPORTS = "Arctic Fox Sportswear (invented)"

DEEDS: tuple[Deed, ...] = (
    _deed(
        "horqin",
        205,
        "market",
        "inspection hygiene fail",
        "general",
        "菌落总数超标 plate count",
        lab=True,
    ),
    _deed(
        "hulunbuir",
        150,
        "market",
        "inspection safety fail",
        "serious",
        "兽药残留 residues",
        lab=True,
    ),
    _deed("linhe", 96, "customs", "inspection label fail", "minor", "标签不符 label", lab=True),
    _deed(
        "xilin",
        410,
        "market",
        "inspection quality fail",
        "general",
        "净含量不足 net content",
        lab=True,
    ),
    _deed(
        "workshop", 60, "market", "inspection label fail", "minor", "成分未标注 no fibre content"
    ),
    _deed(
        "ranch",
        330,
        "market",
        "inspection hygiene fail",
        "general",
        "体细胞数偏高 cell count",
        lab=True,
    ),
    _deed(
        "erenhot",
        44,
        "customs",
        "inspection label fail",
        "minor",
        "原产国未标注 no origin",
        lab=True,
    ),
    _deed(
        "erenhot",
        190,
        "customs",
        "inspection quality fail",
        "general",
        "色牢度不合格 fastness",
        lab=True,
    ),
    _deed(
        "cistanche", 75, "market", "inspection other inconclusive", None, "需复检 to be repeated"
    ),
    _deed(
        "qingcheng", 40, "market", "enforcement permit warning", "minor", "许可证逾期 permit late"
    ),
    _deed(
        "ulanqab",
        260,
        "market",
        "enforcement hygiene fine",
        "general",
        "虫害控制 pests",
        fine_fen=2_000_000,
    ),
    _deed(
        "xiliao",
        250,
        "customs",
        "enforcement quarantine confiscation",
        "serious",
        "未经检疫 no quarantine",
        confiscated_fen=18_500_000,
    ),
    _deed(
        "haibowan",
        120,
        "market",
        "enforcement safety suspension",
        "serious",
        "储罐隐患 tank farm",
        suspension_days=30,
    ),
    _deed(
        "kunhe",
        610,
        "market",
        "enforcement permit permit-withdrawn",
        "serious",
        "焊接许可失效 welding permit",
    ),
    _deed(
        "yulong",
        1_010,
        "market",
        "enforcement safety licence-revoked",
        "serious",
        "铅溶出 lead release",
    ),
    _deed(
        "urad",
        400,
        "customs",
        "enforcement smuggling criminal",
        "serious",
        "走私焦炭 coke smuggled",
        fine_fen=310_000_000,
    ),
    _deed(
        "hetao",
        130,
        "customs",
        "enforcement safety admission-refused",
        "serious",
        "黄曲霉毒素, 退运 aflatoxin, returned",
    ),
    _deed(
        "hetao",
        165,
        "customs",
        "enforcement safety admission-refused",
        "serious",
        "黄曲霉毒素, 退运 aflatoxin, returned",
    ),
    _deed(
        "manzhouli",
        300,
        "customs",
        "fraud-case false-declaration suspected",
        "serious",
        "伪报品名 misdeclared",
        matter="manzhouli-1",
        items=860,
    ),
    _deed(
        "manzhouli",
        180,
        "customs",
        "fraud-case false-declaration confirmed",
        "serious",
        "伪报品名 misdeclared",
        matter="manzhouli-1",
        items=860,
        loss_fen=42_000_000,
    ),
    _deed(
        "manzhouli",
        178,
        "customs",
        "enforcement false-declaration fine",
        "general",
        "伪报品名 misdeclared",
        matter="manzhouli-1",
        fine_fen=8_000_000,
    ),
    _deed(
        "manzhouli",
        88,
        "customs",
        _FAKES,
        "serious",
        "玩具 toys",
        right_holder=_SPORTS,
        items_seized=3_240,
        value_fen=9_720_000,
    ),
    _deed(
        "jining",
        520,
        "market",
        "fraud-case forged-certificate confirmed",
        "serious",
        "伪造检验证书 forged certificate",
        items=1_200,
    ),
    _deed(
        "songshan",
        70,
        "market",
        "fraud-case misleading-label suspected",
        "general",
        "有机标识存疑 organic claim",
        matter="songshan-1",
    ),
    _deed(
        "songshan",
        22,
        "market",
        "fraud-case misleading-label dismissed",
        None,
        "证据不足 not proven",
        matter="songshan-1",
    ),
    _deed(
        "maowusu",
        33,
        "ip",
        "ip-case geographical-indication suspected",
        "minor",
        "地理标志使用存疑 use of a protected name",
    ),
    _deed(
        "nuancheng",
        140,
        "ip",
        _MARK,
        "general",
        "近似商标 similar mark",
        right_holder="Golden Goat Wool (invented)",
        items_seized=460,
        value_fen=5_060_000,
    ),
    _deed(
        "erenhot",
        63,
        "customs",
        _FAKES,
        "serious",
        "运动鞋 shoes",
        right_holder=_SPORTS,
        items_seized=1_850,
        value_fen=27_750_000,
    ),
    _deed(
        "erenhot",
        155,
        "customs",
        _FAKES,
        "serious",
        "运动鞋 shoes",
        right_holder=_SPORTS,
        items_seized=620,
        value_fen=9_300_000,
    ),
    _deed(
        "erenhot",
        241,
        "customs",
        _FAKES,
        "serious",
        "手表 watches",
        right_holder=_SPORTS,
        items_seized=4_400,
        value_fen=61_600_000,
    ),
    _deed(
        "erenhot",
        470,
        "customs",
        _FAKES,
        "serious",
        "背包 bags",
        right_holder=_SPORTS,
        items_seized=980,
        value_fen=4_900_000,
    ),
    _deed("erenhot", 118, "ip", _MARK, "general", "店铺标识 shop sign", items_seized=210),
    _deed("erenhot", 300, "ip", _MARK, "general", "包装 packaging", items_seized=135),
    _deed(
        "erenhot",
        61,
        "customs",
        "enforcement other fine",
        "general",
        "侵权罚款 fine",
        fine_fen=12_000_000,
    ),
    _deed("erenhot", 29, "market", "enforcement label warning", "minor", "网页标示 web page"),
    _deed(
        "erenhot",
        15,
        "market",
        "fraud-case refund-fraud suspected",
        "general",
        "退税存疑 refund under review",
        matter="erenhot-refund",
    ),
)


def told() -> list[Told]:
    """Everything the authorities state, a firm's filing first, then day by day."""
    everything = [*_filings(), *_passes(), *_deeds()]
    days = [one.weighing.decided_on or date.min for one in everything]
    order = sorted(range(len(everything)), key=lambda index: (days[index], index))
    return [everything[index] for index in order]


def binding() -> Told:
    """The registry gives the workshop its label."""
    assert WORKSHOP.identity.is_person
    weighing = Weighing(
        kind="binding",
        code="one-person-business",
        outcome="bound",
        decided_on=REFERENCE - timedelta(days=FILED_DAYS_BEFORE + 1),
    )
    return Told("registry", WORKSHOP.key, "demo-binding-workshop", weighing, _named(WORKSHOP))


def _filings() -> Iterator[Told]:
    decided_on = REFERENCE - timedelta(days=FILED_DAYS_BEFORE)
    for firm in FIRMS.values():
        particulars: dict[str, Json] = {
            "name": {"en": firm.en, "zh": firm.zh},
            "country": firm.country,
            "region": firm.region,
            "industry": firm.industry,
            "synthetic": True,
        }
        if firm.port:
            particulars["port"] = firm.port
        weighing = Weighing(
            kind="filing", code="enterprise", outcome="accepted", decided_on=decided_on
        )
        yield _about(firm, "registry", f"demo-filing-{firm.key}", weighing, particulars)


def _passes() -> Iterator[Told]:
    for firm in FIRMS.values():
        for number in range(firm.passes):
            jti = f"demo-pass-{firm.key}-{number:02d}"
            # Evenly spread, then moved by up to a stride, so that no two firms keep step.
            stride = PASSES_DAYS // firm.passes
            day = REFERENCE - timedelta(days=1 + number * stride + _drawn(jti) % stride)
            by = "customs" if firm.port and number % 2 else "market"
            weighing = Weighing(
                kind="inspection",
                code="routine",
                outcome="pass",
                occurred_on=day - timedelta(days=_drawn(jti, "lab") % 9),
                decided_on=day,
                measures={"samples": 3 + _drawn(jti, "samples") % 6, "samples_failed": 0},
                basis="lab" if number % 3 else "field",
            )
            yield _about(firm, by, jti, weighing, {"product": firm.goods, "synthetic": True})


def _deeds() -> Iterator[Told]:
    for number, deed in enumerate(DEEDS):
        firm = FIRMS[deed.firm]
        day = REFERENCE - timedelta(days=deed.days_before)
        weighing = Weighing(
            kind=deed.kind,
            code=deed.code,
            outcome=deed.outcome,
            severity=None if deed.severity is None else Severity(deed.severity),
            occurred_on=day - timedelta(days=3 + _drawn(deed.firm, str(number)) % 60),
            decided_on=day,
            case=None if deed.matter is None else b64url(_hash("case", deed.matter)[:16]),
            measures=deed.measures or None,
            basis=deed.basis,
        )
        jti = f"demo-{deed.kind}-{deed.firm}-{deed.days_before}"
        particulars: dict[str, Json] = {
            **deed.more,
            "text": deed.text,
            "product": firm.goods,
            "number": f"({day.year}) demo {number + 1}",
            "synthetic": True,
        }
        yield _about(firm, deed.by, jti, weighing, particulars)


def _about(
    firm: Firm, by: str, jti: str, weighing: Weighing, particulars: Mapping[str, Json]
) -> Told:
    # A person's code is in the binding alone; everywhere else the label stands for it.
    named = {} if firm.identity.is_person else _named(firm)
    return Told(by, firm.key, jti, weighing, {**particulars, **named})


def _named(firm: Firm) -> dict[str, Json]:
    identity = firm.identity
    return {
        "subject": {"id": identity.identifier, "scheme": identity.scheme.value},
        "synthetic": True,
    }


def _drawn(*names: str) -> int:
    """A number that looks drawn, and is the same for ever."""
    return int.from_bytes(_hash(*names)[:4], "big")


def _hash(*names: str) -> bytes:
    return hashlib.sha256("\n".join(("xinyuan demonstration", *names)).encode()).digest()
