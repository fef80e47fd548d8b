"""The fixed words a reader sees, by locale; what is not translated is said in English.

The label of constrained answers is not here: it stays as it is in every locale.
"""

from collections.abc import Mapping

_ENGLISH: Mapping[str, str] = {
    "not_covered": "The documentation does not seem to cover this question.",
    "nearest": "The nearest pages are: {pages}.",
    "related": "No sentence of the documentation answers this question. These pages are related: {pages}.",
    "insufficient": "The selected text does not answer this question.",
    "partial": "The selected text answers only a part of this question.",
    "missing_line": "Missing: {what}. {why}",
    "minimal_line": "The least text that would help: {minimal_text}",
    "notice_extractive": "Composed from the documentation's own sentences; no language model is configured.",
    "notice_extractive_selection": "Composed from the selected text's own sentences; no language model is configured.",
    "notice_model_unavailable": "The language model could not be reached; the answer is made of the text's own sentences.",
    "notice_model_unusable": "The language model's reply could not be used; the text was judged by its words.",
    "notice_other_language": "Nothing was found in the reader's language; the answer rests on pages in another one.",
    "notice_other_version": "Nothing was found in the reader's version of the docs; the answer rests on pages of another one.",
    "notice_keywords_only": "The index has no vectors: passages were searched by keywords alone.",
    "notice_scrubbed": "What may identify you was replaced in your question or in the marked text before it was read.",
    "notice_injection_suspected": "A page cited here holds text that reads like orders to a language model; it was given to the model as text to read.",
    "what": "{kind} about “{about}”",
    "why": "The selected text says nothing about “{about}”.",
    "why_kind": "The selected text mentions “{about}”, but does not give {kind}.",
    "minimal": "a sentence that gives {kind} about “{about}”.",
    "kind_definition": "a definition",
    "kind_number": "a number",
    "kind_time": "a date or time",
    "kind_place": "a place",
    "kind_person": "a person or group",
    "kind_reason": "a reason",
    "kind_steps": "the steps",
    "kind_code": "a code sample or command",
    "kind_choice": "a choice or comparison",
    "kind_yes_no": "a yes or no",
    "kind_list": "a list",
    "kind_fact": "a statement",
    "widen": "To ask more widely, mark the section or the whole page, or ask without a quote to search all docs.",
    "unsupported": "No cited passage supports the sentences with this sign.",
    "stopped": "Stopped.",
    "cut_short": "The answer reached its length limit; its end is missing.",
    "step_condensing": "Understanding the question…",
    "step_retrieving": "Searching the docs…",
    "step_reading": "Reading…",
    "step_assessing": "Reading the quoted text…",
    "step_answering": "Answering…",
    "step_checking": "Checking the citations…",
}

_GERMAN: Mapping[str, str] = {
    "not_covered": "Die Dokumentation scheint diese Frage nicht zu behandeln.",
    "nearest": "Am nächsten kommen diese Seiten: {pages}.",
    "related": "Kein Satz der Dokumentation beantwortet diese Frage. Diese Seiten sind verwandt: {pages}.",
    "insufficient": "Der markierte Text beantwortet diese Frage nicht.",
    "partial": "Der markierte Text beantwortet nur einen Teil dieser Frage.",
    "missing_line": "Es fehlt: {what}. {why}",
    "minimal_line": "Der kleinste Text, der helfen würde: {minimal_text}",
    "notice_extractive": "Aus Sätzen der Dokumentation zusammengestellt; es ist kein Sprachmodell eingerichtet.",
    "notice_extractive_selection": "Aus Sätzen des markierten Textes zusammengestellt; es ist kein Sprachmodell eingerichtet.",
    "notice_model_unavailable": "Das Sprachmodell war nicht erreichbar; die Antwort besteht aus Sätzen des Textes selbst.",
    "notice_model_unusable": "Die Antwort des Sprachmodells war nicht brauchbar; der Text wurde nach seinen Wörtern beurteilt.",
    "notice_other_language": "In dieser Sprache wurde nichts gefunden; die Antwort beruht auf Seiten in einer anderen.",
    "notice_other_version": "In dieser Version der Dokumentation wurde nichts gefunden; die Antwort beruht auf Seiten einer anderen.",
    "notice_keywords_only": "Der Index hat keine Vektoren: Es wurde nur nach Stichwörtern gesucht.",
    "notice_scrubbed": "Was auf Sie hinweisen könnte, wurde in der Frage oder im markierten Text ersetzt, bevor sie gelesen wurden.",
    "notice_injection_suspected": "Eine hier zitierte Seite enthält Text, der wie ein Auftrag an ein Sprachmodell klingt; das Modell bekam ihn nur zu lesen.",
    "what": "{kind} zu „{about}“",
    "why": "Der markierte Text sagt nichts über „{about}“.",
    "why_kind": "Der markierte Text erwähnt „{about}“, nennt aber nicht, was gefragt ist: {kind}.",
    "minimal": "ein Satz, der dies nennt: {kind} zu „{about}“.",
    "kind_definition": "eine Erklärung",
    "kind_number": "eine Zahl",
    "kind_time": "ein Datum oder eine Zeit",
    "kind_place": "ein Ort",
    "kind_person": "eine Person oder Gruppe",
    "kind_reason": "ein Grund",
    "kind_steps": "die Schritte",
    "kind_code": "ein Codebeispiel oder Befehl",
    "kind_choice": "eine Auswahl oder ein Vergleich",
    "kind_yes_no": "ein Ja oder Nein",
    "kind_list": "eine Aufzählung",
    "kind_fact": "eine Aussage",
    "widen": "Wer breiter fragen will, markiert den Abschnitt oder die ganze Seite oder fragt ohne Zitat in der ganzen Dokumentation.",
    "unsupported": "Keine zitierte Stelle belegt die Sätze mit diesem Zeichen.",
    "stopped": "Angehalten.",
    "cut_short": "Die Antwort erreichte ihre Längengrenze; ihr Ende fehlt.",
    "step_condensing": "Die Frage wird gelesen …",
    "step_retrieving": "Die Dokumentation wird durchsucht …",
    "step_reading": "Es wird gelesen …",
    "step_assessing": "Der zitierte Text wird gelesen …",
    "step_answering": "Die Antwort wird geschrieben …",
    "step_checking": "Die Zitate werden geprüft …",
}

_CATALOGUE: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "de": _GERMAN}

LOCALES = tuple(_CATALOGUE)
"""Locales that have texts of their own."""


def say(key: str, locale: str, **values: str) -> str:
    """Return the fixed text named `key` in `locale` (`de`, `de-CH` ...), with `values` filled in."""
    texts = _CATALOGUE.get(locale.split("-")[0].casefold(), _ENGLISH)
    return texts[key].format(**values)
