"""Tells text that reads like orders to a language model, in English and German; for the record, not as a guard.

What guards is elsewhere: such text travels as data, a marker or link is the server's own, and a constrained answer is
made of quotes. Here is only found out where somebody may have tried, by fixed phrases, so that whoever runs the
server can look. A text without one of a rule's words is not searched by it, and passages that were read once are
remembered: one of a thousand characters takes 0.2 ms the first time.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from graph.types import Passage, Suspect


class Rule(NamedTuple):
    """A pattern of orders, and the words without which it need not be searched for."""

    words: tuple[str, ...]
    """One of these stands in every text that the pattern finds, case folded and with single blanks."""
    pattern: re.Pattern[str]


def _rule(words: str, pattern: str) -> Rule:
    return Rule(tuple(words.split(";")), re.compile(pattern, re.IGNORECASE))


_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|former|your|system)"
_ORDERS = r"(?:instructions?|rules?|prompts?|guidelines?|directives?|directions|orders|training)"
_VORIGE = r"(?:vorherigen?|bisherigen?|obigen?|vorigen?|vorangegangenen?|vorstehenden?|deine[rn]?|eure|ihre)"
_REGELN = r"(?:anweisung(?:en)?|instruktion(?:en)?|regeln?|vorgaben?|befehle?|prompts?)"
_MODEL = r"(?:ai|llms?|(?:large )?language models?|chat ?bots?|ki|sprachmodelle?|assistant|assistent(?:en)?)"
_BEGINS = r"(?:^|[.!?:;>\]\"“]\s{1,8}|\n\s{0,8}|\band |\bund |\bplease |\bbitte )"

RULES = (
    _rule(
        "ignore;disregard;forget;override;bypass;do not follow;don't follow;do not answer",
        rf"\b(?:ignore|disregard|forget|override|bypass|(?:do not|don't) follow)\b(?:\W+\w+){{0,3}}?\W+{_BEFORE}\b(?:\W+\w+){{0,2}}?\W+{_ORDERS}\b"
        rf"|\b(?:ignore|disregard|forget)\s+(?:all|everything|any(?:thing)?|every)\b(?:\W+\w+){{0,3}}?\W+"
        r"(?:instructions?|prompts?|said|told|above|before)\b"
        rf"|{_BEGINS}(?:ignore|disregard|do not answer|forget)\s+(?:the|this|that|my|any)\s+(?:user(?:'s|’s)?\s+)?question\b",
    ),
    _rule(
        "ignorier;vergiss;missacht;vergessen",
        rf"\b(?:ignoriere?n?|vergiss|vergessen|missachte?n?)\b(?:\W+\w+){{0,3}}?\W+(?:{_VORIGE}|alle[rs]?)\b"
        rf"(?:\W+\w+){{0,2}}?\W+{_REGELN}\b|\b(?:ignoriere?|vergiss|missachte?)\s+(?:die|diese)\s+frage\b",
    ),
    _rule(
        "from now on;you are now;you are no longer;pretend",
        r"\bfrom now on,?\s+(?:you\s+(?:are|must|will|only|act|answer|respond|reply)|answer|respond|reply|always\s+answer)\b"
        r"|\byou are now\s+(?:an?|the|in|dan)\b|\byou are no longer\s+(?:an?|the)\b[^.\n]{0,30}\b(?:assistant|model|bot)\b"
        r"|\bpretend\s+(?:that\s+)?(?:you are|you're|to be an?)\b",
    ),
    _rule(
        "ab sofort;ab jetzt;du bist jetzt;von nun an",
        r"\b(?:ab sofort|ab jetzt|von nun an)\s+(?:bist|antworte|sag|gib|verhalte|schreib)\w*|\bdu bist jetzt\s+(?:ein|der|die|das|kein)",
    ),
    _rule(
        "your;the own;the initial;the hidden;the secret;the original;the system;above;you were given;you have been given",
        r"\b(?:reveal|print|show|repeat|output|leak|display|disclose|tell|give|write|dump)\b(?:\W+\w+){0,4}?\W+"
        r"(?:(?:your|the)\s+(?:own\s+|initial\s+|hidden\s+|secret\s+|original\s+|system\s+)+(?:instructions?|prompts?|rules|message)"
        r"|your\s+(?:instructions?|prompts?|rules)|(?:instructions?|prompts?)\s+(?:above|you\s+(?:were|have\s+been)\s+given))\b",
    ),
    _rule(
        "systemprompt;system-prompt;system prompt;system- prompt;dein",
        r"\b(?:zeige?|nenne?|verrate?|gib|drucke?|wiederhole?|schreibe?)\b(?:\W+\w+){0,4}?\W+"
        r"(?:system-?\s?prompt|dein\w*\s+(?:prompt|anweisung\w*|instruktion\w*))",
    ),
    _rule(
        "reply;respond;answer",
        rf"{_BEGINS}(?:(?<!\band )|(?:only|always|first)\s+)(?:reply|respond|answer)\s+(?:(?:to\s+)?\w+(?:\s+\w+)?\s+)?"
        r"(?:only\s+|just\s+|exactly\s+)?with\b|\band\s+(?:reply|respond|answer)\s+(?:only|just|exactly)\s+with\b",
    ),
    _rule(
        "your reply;your answer;your response;your output;the reply;the answer;the response;the output;valid answer;valid reply;"
        "valid response;correct answer;correct reply;correct response;right answer;right reply;right response;"
        "allowed answer;allowed reply;allowed response;nothing else;nothing more;asked a;asked this;repeat after;"
        "order you to;-->",
        r"\b(?:begin|start|end|finish)\s+(?:each\s+|every\s+)?(?:your|the)\s+(?:reply|answer|response|output)s?\s+(?:with|by)\b"
        r"|\bonly\s+(?:valid|correct|right|allowed)\s+(?:answer|reply|response)\b|\bsay\s+nothing\s+(?:else|more)\b"
        r"|\b(?:correct|right)\s+(?:answer|reply|response)\s+to\s+(?:every|any|each|all)\s+questions?\b"
        r"|\bwhen(?:ever)?\s+(?:you\s+are\s+)?asked\s+(?:anything|any\s+question|about\s+anything|this|a\s+question)\b"
        rf"|{_BEGINS}repeat\s+after\s+me\b|\bto\s+each\s+(?:sentence|answer|reply)\b[^.\n]{{0,20}}-->"
        r"|\border\s+you\s+to\s+(?:answer|reply|respond|say|print|output)\b",
    ),
    _rule(
        "antwort",
        rf"{_BEGINS}antworten?\s+(?:sie\s+)?(?:nur|ausschließlich|immer|lediglich|stattdessen)(?:\s+noch)?\s+mit\b"
        r"|\b(?:beginne|beende)\s+(?:deine|jede)\s+antwort\b|\beinzig\w*\s+(?:gültige|richtige|erlaubte)\s+antwort\b",
    ),
    _rule(
        "new rule;new instruction;new task;new system;neue regel;neue anweisung;neue aufgabe",
        r"\bnew\s+(?:system\s+)?(?:rules?|instructions?|tasks?)\s*:|\bneue\s+(?:regeln?|anweisung(?:en)?|aufgabe)\s*:",
    ),
    _rule(
        "note to;note for;message to;message for;instruction to;instruction for;instructions to;instructions for;"
        "attention to;attention for;reminder to;reminder for;hinweis an;hinweis für;nachricht an;nachricht für;"
        "anweisung an;anweisung für;anweisungen an;anweisungen für;<!--;assistant,;assistent,;assistenten,;bot,;bots,;"
        "model,;models,;ai,;llm,;llms,;ki,;sprachmodell,;sprachmodelle,",
        r"\b(?:(?:note|message|instructions?|attention|reminder)\s+(?:to|for)|(?:hinweis|nachricht|anweisung(?:en)?)\s+(?:an|für))\s+(?:the\s+|all\s+|any\s+"
        rf"|das\s+|die\s+|den\s+|alle\s+)?{_MODEL}\s*(?:[:.!,]|that\b|reading\b|who\b)|<!--\s*{_MODEL}\s*[:,]"
        rf"|{_BEGINS}(?:dear\s+|hey\s+|hello\s+|hi\s+|liebe[rs]?\s+)?{_MODEL},\s*(?:please|bitte|you|ignore|do|translate|say|write|answer|print)\b",
    ),
    _rule(
        "system;assistant;developer;\"role\";'role';as the admin;as your admin;as the owner;as your owner;as the creator;"
        "as your creator",
        r"(?:^|\n)[ \t>#*_-]{0,8}(?-i:SYSTEM|System|ASSISTANT|Assistant|DEVELOPER)(?:\s+(?:prompt|message|note|override|update))?\s*:\s*"
        r"(?:from|you|ignore|do|always|never|new|the user|forget|reply|answer|override|print)\b"
        r"|[\"']role[\"']\s*:\s*[\"'](?:system|developer)[\"']\s*,\s*[\"']content[\"']\s*:\s*[\"'](?!you are)"
        r"|\bas\s+(?:the|your)\s+(?:administrator|admin|developer|owner|creator)\s{0,8},?\s{0,8}i\s+(?:order|command|instruct|tell|authori[sz]e)\b",
    ),
    _rule(
        "<|;inst];sys>>;</passage;<start_of_turn>",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_of_text)\|>|\[/?INST\]|<</?SYS>>"
        r"|</passage\s+\d+>|<start_of_turn>",
    ),
)
_INVISIBLE = re.compile(
    "[\u200b\u200c\u2060-\u2064\ufeff]{4}|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007e]{2}|[\u202d\u202e]"
)
"""Runs of characters without a width, tag characters outside of a flag, and overrides of the direction of text."""


def reads_like_orders(text: str) -> bool:
    """Tell whether `text` holds a phrase that orders a language model about, or characters that hide one."""
    if not text.isascii() and _INVISIBLE.search(text):
        return True
    folded = " ".join(text.casefold().split())
    return any(any(word in folded for word in rule.words) and rule.pattern.search(text) for rule in RULES)


def suspected(*, question: str = "", selection: str = "", passages: Iterable[Passage] = ()) -> tuple[Suspect, ...]:
    """Return which of what a turn was given reads like orders to a model."""
    found: list[Suspect] = []
    if reads_like_orders(question):
        found.append("question")
    if reads_like_orders(selection):
        found.append("selection")
    if any(_is_suspect(p.title, p.heading, p.text) for p in passages):
        found.append("passages")
    return tuple(found)


@lru_cache(maxsize=4_096)
def _is_suspect(title: str, heading: str, text: str) -> bool:
    """Remember what is read of the docs; what readers send is read once, and no copy of it outlives their erasure."""
    return reads_like_orders(f"{title}\n{heading}\n{text}")
