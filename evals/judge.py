"""Has a language model judge what rules cannot: whether an answer is grounded in the passages it was given."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from langchain_openai import ChatOpenAI
from openai import OpenAIError
from openevals.llm import create_async_llm_as_judge
from openevals.prompts import RAG_GROUNDEDNESS_PROMPT
from pydantic import SecretStr

from evals.results import Results, Row, summarise
from graph.errors import CitesideError
from server.settings import Settings

AT_ONCE = 4


async def judged(results: Results, settings: Settings, model: str) -> Results:
    """Return the results with the judge's scores; without a key they stay as they are, which says "not measured".

    Raises CitesideError when the judge fails; the run itself is on disk by then.
    """
    if not settings.has_model:
        return results
    chat = ChatOpenAI(
        model=model,
        api_key=settings.openai_api_key or SecretStr("none"),
        base_url=settings.openai_base_url,
        temperature=0,
    )
    judge = create_async_llm_as_judge(prompt=RAG_GROUNDEDNESS_PROMPT, judge=chat, feedback_key="grounded")
    places = asyncio.Semaphore(AT_ONCE)

    async def one(row: Row) -> Row:
        if row.suite != "grounded" or not row.passages or row.outcome not in {"answered", "partial"}:
            return row
        context = "\n\n".join(passage.text for passage in row.passages)
        async with places:
            found = cast(Mapping[str, Any], await judge(inputs=row.question, outputs=row.answer, context=context))
        return row.model_copy(update={"scores": {**row.scores, "judged_grounded": float(found["score"])}})

    try:
        rows = await asyncio.gather(*map(one, results.rows))
    except OpenAIError as error:
        raise CitesideError(f"The judge {model} failed: {error}. Judge the same run again with --resume.") from error
    finally:
        await chat.root_async_client.close()
    return summarise(results.about, rows, results.about["suites"])
