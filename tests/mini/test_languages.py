"""What the sentences look like: literal examples, each checked by eye, and the rules behind them."""

import re

import pytest

from xrt.mini import LANGUAGES, generate
from xrt.mini.grammar import sentence
from xrt.mini.languages import fr, ko
from xrt.mini.lexicon import concepts
from xrt.mini.meaning import KINDS, Meaning, Style

MEANINGS = {
    "event": "role.teacher deed.invite role.journalist time.yesterday",
    "transfer": "role.doctor transfer.sell role.lawyer thing.clock",
    "travel": "name.Anna travel.fly city.Athens city.Seoul time.monday",
    "job": "name.Emma role.actor name.Clara role.nurse",
    "number": "name.Simon handling.buy number.2 thing.chair number.9 thing.book time.week",
    "colour": "name.Laura handling.find colour.white thing.bicycle colour.black thing.hat time.morning",
    "compare": "role.nurse quality.tall name.Anna",
    "order": "role.student step.arrive role.teacher time.friday",
}
GOLDEN = {
    ("event", 0): {
        "en": "The teacher invited the journalist yesterday.",
        "de": "Die Lehrerin lud gestern den Journalisten ein.",
        "es": "La profesora invitó al periodista ayer.",
        "fr": "La professeure a invité le journaliste hier.",
        "ja": "先生は昨日、記者を招待した。",
        "ko": "선생님은 어제 기자를 초대했다.",
        "zh": "老师昨天邀请了记者。",
    },
    ("event", 3): {
        "en": "Yesterday, the journalist was invited by the teacher.",
        "de": "Gestern wurde der Journalist von der Lehrerin eingeladen.",
        "es": "Ayer, el periodista fue invitado por la profesora.",
        "fr": "Hier, le journaliste a été invité par la professeure.",
        "ja": "昨日、記者は先生に招待された。",
        "ko": "어제 기자가 선생님에게 초대받았다.",
        "zh": "昨天记者被老师邀请了。",
    },
    ("event", 4): {
        "en": "It was the teacher who invited the journalist yesterday.",
        "de": "Es war die Lehrerin, die gestern den Journalisten einlud.",
        "es": "Fue la profesora quien invitó al periodista ayer.",
        "fr": "C'est la professeure qui a invité le journaliste hier.",
        "ja": "昨日記者を招待したのは先生だった。",
        "ko": "어제 기자를 초대한 사람은 선생님이었다.",
        "zh": "昨天邀请记者的是老师。",
    },
    ("transfer", 1): {
        "en": "The doctor sold the clock to the lawyer.",
        "de": "Die Uhr verkaufte der Arzt der Anwältin.",
        "es": "Fue a la abogada a quien el médico le vendió el reloj.",
        "fr": "C'est à l'avocate que le médecin a vendu l'horloge.",
        "ja": "医者はその時計を弁護士に売った。",
        "ko": "의사는 그 시계를 변호사에게 팔았다.",
        "zh": "那座钟，医生卖给了律师。",
    },
    ("transfer", 2): {
        "en": "The clock was sold to the lawyer by the doctor.",
        "de": "Die Uhr wurde der Anwältin vom Arzt verkauft.",
        "es": "El reloj fue vendido a la abogada por el médico.",
        "fr": "L'horloge a été vendue à l'avocate par le médecin.",
        "ja": "その時計は医者によって弁護士に売られた。",
        "ko": "그 시계는 의사에 의해 변호사에게 팔렸다.",
        "zh": "那座钟被医生卖给了律师。",
    },
    ("transfer", 4): {
        "en": "The lawyer bought the clock from the doctor.",
        "de": "Die Anwältin kaufte die Uhr vom Arzt.",
        "es": "La abogada le compró el reloj al médico.",
        "fr": "L'avocate a acheté l'horloge au médecin.",
        "ja": "弁護士は医者からその時計を買った。",
        "ko": "변호사는 의사에게서 그 시계를 샀다.",
        "zh": "律师从医生那里买了那座钟。",
    },
    ("travel", 0): {
        "en": "Anna flew from Athens to Seoul on Monday.",
        "de": "Anna flog am Montag von Athen nach Seoul.",
        "es": "Anna voló de Atenas a Seúl el lunes.",
        "fr": "Anna a pris l'avion d'Athènes à Séoul lundi.",
        "ja": "アンナは月曜日に、アテネからソウルへ飛行機で行った。",
        "ko": "안나는 월요일에 아테네에서 서울로 비행기를 타고 갔다.",
        "zh": "安娜星期一从雅典飞往首尔。",
    },
    ("travel", 3): {
        "en": "Anna flew to Seoul from Athens on Monday.",
        "de": "Nach Seoul flog Anna am Montag von Athen aus.",
        "es": "Anna voló a Seúl desde Atenas el lunes.",
        "fr": "Anna a pris l'avion pour Séoul depuis Athènes lundi.",
        "ja": "アンナは月曜日に、ソウルへアテネから飛行機で行った。",
        "ko": "안나는 월요일에 서울로 아테네에서 비행기를 타고 갔다.",
        "zh": "安娜星期一飞往首尔，出发地是雅典。",
    },
    ("job", 2): {
        "en": "Emma works as an actor and Clara works as a nurse.",
        "de": "Emma arbeitet als Schauspielerin und Clara arbeitet als Krankenschwester.",
        "es": "Emma trabaja como actriz y Clara trabaja como enfermera.",
        "fr": "Emma travaille comme actrice et Clara travaille comme infirmière.",
        "ja": "エマは俳優として働き、クララは看護師として働いている。",
        "ko": "엠마는 배우로 일하고 클라라는 간호사로 일한다.",
        "zh": "艾玛的职业是演员，克拉拉的职业是护士。",
    },
    ("job", 4): {
        "en": "The actor is Emma and the nurse is Clara.",
        "de": "Die Schauspielerin ist Emma und die Krankenschwester ist Clara.",
        "es": "La actriz es Emma y la enfermera es Clara.",
        "fr": "L'actrice est Emma et l'infirmière est Clara.",
        "ja": "俳優はエマで、看護師はクララだ。",
        "ko": "배우는 엠마이고 간호사는 클라라이다.",
        "zh": "演员是艾玛，护士是克拉拉。",
    },
    ("number", 1): {
        "en": "Simon bought nine books and two chairs last week.",
        "de": "Simon kaufte letzte Woche neun Bücher und zwei Stühle.",
        "es": "Simon compró nueve libros y dos sillas la semana pasada.",
        "fr": "Simon a acheté neuf livres et deux chaises la semaine dernière.",
        "ja": "サイモンは先週、九冊の本と二脚の椅子を買った。",
        "ko": "사이먼은 지난주에 책 아홉 권과 의자 두 개를 샀다.",
        "zh": "西蒙上周买了九本书和两把椅子。",
    },
    ("number", 4): {
        "en": "It was Simon who bought two chairs and nine books last week.",
        "de": "Es war Simon, der letzte Woche zwei Stühle und neun Bücher kaufte.",
        "es": "Fue Simon quien compró dos sillas y nueve libros la semana pasada.",
        "fr": "C'est Simon qui a acheté deux chaises et neuf livres la semaine dernière.",
        "ja": "先週二脚の椅子と九冊の本を買ったのはサイモンだった。",
        "ko": "지난주에 의자 두 개와 책 아홉 권을 산 사람은 사이먼이었다.",
        "zh": "上周买了两把椅子和九本书的是西蒙。",
    },
    ("colour", 0): {
        "en": "Laura found a white bicycle and a black hat this morning.",
        "de": "Laura fand heute Morgen ein weißes Fahrrad und einen schwarzen Hut.",
        "es": "Laura encontró una bicicleta blanca y un sombrero negro esta mañana.",
        "fr": "Laura a trouvé un vélo blanc et un chapeau noir ce matin.",
        "ja": "ローラは今朝、白い自転車と黒い帽子を見つけた。",
        "ko": "로라는 오늘 아침에 하얀 자전거와 검은 모자를 찾았다.",
        "zh": "劳拉今天早上找到了一辆白色的自行车和一顶黑色的帽子。",
    },
    ("compare", 0): {
        "en": "The nurse is taller than Anna.",
        "de": "Die Krankenschwester ist größer als Anna.",
        "es": "La enfermera es más alta que Anna.",
        "fr": "L'infirmière est plus grande qu'Anna.",
        "ja": "看護師はアンナより背が高い。",
        "ko": "간호사는 안나보다 키가 더 크다.",
        "zh": "护士比安娜高。",
    },
    ("compare", 3): {
        "en": "Compared with the nurse, Anna is shorter.",
        "de": "Im Vergleich zur Krankenschwester ist Anna kleiner.",
        "es": "En comparación con la enfermera, Anna es más baja.",
        "fr": "Par rapport à l'infirmière, Anna est plus petite.",
        "ja": "看護師に比べて、アンナは背が低い。",
        "ko": "간호사에 비해 안나는 키가 더 작다.",
        "zh": "跟护士相比，安娜更矮。",
    },
    ("order", 0): {
        "en": "The student arrived before the teacher on Friday.",
        "de": "Die Schülerin kam am Freitag vor der Lehrerin an.",
        "es": "La alumna llegó antes que la profesora el viernes.",
        "fr": "L'élève est arrivée avant la professeure vendredi.",
        "ja": "生徒は金曜日に、先生より先に到着した。",
        "ko": "학생은 금요일에 선생님보다 먼저 도착했다.",
        "zh": "学生星期五比老师先到达。",
    },
    ("order", 3): {
        "en": "On Friday, the teacher arrived after the student.",
        "de": "Am Freitag kam die Lehrerin nach der Schülerin an.",
        "es": "El viernes, la profesora llegó después que la alumna.",
        "fr": "Vendredi, la professeure est arrivée après l'élève.",
        "ja": "金曜日に、先生は生徒より後に到着した。",
        "ko": "금요일에 선생님이 학생보다 나중에 도착했다.",
        "zh": "星期五老师比学生晚到达。",
    },
}


def meaning_of(kind: str) -> Meaning:
    names = [tuple(name.split(".")) for name in MEANINGS[kind].split()]
    return Meaning(kind, tuple(concepts()[category, key] for category, key in names))


def usual(meaning: Meaning, variant: int) -> Style:
    return Style(variant, {concept.key: 0 for concept in meaning.concepts})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "variant"), GOLDEN)
def test_a_sentence_reads_as_a_native_wrote_it(kind: str, variant: int, language: str) -> None:
    meaning = meaning_of(kind)
    assert sentence(language, meaning, usual(meaning, variant)) == GOLDEN[kind, variant][language]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_of_a_meaning_and_of_its_swap_is_a_sentence_of_its_own(
    kind: str, language: str
) -> None:
    meaning = meaning_of(kind)
    variants = range(KINDS[kind].variants)
    said = {
        sentence(language, side, usual(meaning, v)) for side in (meaning, meaning.swapped) for v in variants
    }
    assert len(said) == 2 * len(variants)


def test_a_swap_exchanges_roles_and_a_second_swap_restores_them() -> None:
    meaning = meaning_of("event")
    assert (
        sentence("en", meaning.swapped, usual(meaning, 0)) == "The journalist invited the teacher yesterday."
    )
    assert meaning.swapped.swapped == meaning
    assert meaning.swapped.share == meaning.share


@pytest.mark.parametrize(
    ("noun", "forms"),
    [
        ("의사", "의사는 의사가 의사를 의사와 의사로 의사였다"),
        ("학생", "학생은 학생이 학생을 학생과 학생으로 학생이었다"),
        ("서울", "서울은 서울이 서울을 서울과 서울로 서울이었다"),
    ],
)
def test_korean_particles_follow_the_last_syllable(noun: str, forms: str) -> None:
    particles = (ko.topic, ko.subject, ko.direct, ko.joined, ko.toward, ko.was)
    assert " ".join(particle(noun) for particle in particles) == forms


@pytest.mark.parametrize(
    ("key", "article", "of", "to"),
    [
        ("doctor", "le médecin", "du médecin", "au médecin"),
        ("engineer", "l'ingénieur", "de l'ingénieur", "à l'ingénieur"),
        ("lawyer", "l'avocate", "de l'avocate", "à l'avocate"),
        ("nurse", "l'infirmière", "de l'infirmière", "à l'infirmière"),
        ("singer", "la chanteuse", "de la chanteuse", "à la chanteuse"),
    ],
)
def test_french_articles_elide_and_contract(key: str, article: str, of: str, to: str) -> None:
    word = concepts()["role", key].word("fr", 0)
    assert (fr.the(word), fr.after("de", word), fr.after("à", word)) == (article, of, to)


# Strings that no sentence of a language may contain, whatever the words.
FORBIDDEN = {
    "en": r"\ba [aeiou]|\ban [^aeiou]",
    "de": r"von dem |zu dem |zu der |~",
    "es": r"\ba el |\bde el ",
    "fr": r"\b(le|la|de|que) [aeiouyhéèêAEIOUÉ]|\bà le |\bde le |'[^aeiouyhàéèêAEIOUÉ]",
    "ja": r" |[.,!a-zA-Z]",
    "ko": r"[가-힣] [은는이가을를와과] |[a-zA-Z]",
    "zh": r" |[.,!a-zA-Z]|[\u3040-\u30ff]",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_breaks_the_rules_of_its_script_and_its_contractions(language: str) -> None:
    texts = [
        text
        for split in ("dev", "test")
        for example in generate(split)
        for text in example.sentences[language]
    ]
    broken = [text for text in texts if re.search(FORBIDDEN[language], text)]
    assert not broken


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_ends_once_and_never_doubles_a_space(language: str) -> None:
    for example in generate("test"):
        for text in example.sentences[language]:
            assert re.fullmatch(r"[^.。]+[.。]", text) and "  " not in text
