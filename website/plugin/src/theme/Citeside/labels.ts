// Every text of the panel: English here, other languages in `locales/`, a site's own wording in the option `labels`.

import {translate} from '@docusaurus/Translate';
import type {Notice} from 'docusaurus-plugin-citeside/client';
import {options} from 'docusaurus-plugin-citeside/page/site';

const catalogue = {
  title: translate({id: 'citeside.title', message: 'Ask the docs'}),
  close: translate({id: 'citeside.close', message: 'Close'}),
  newConversation: translate({id: 'citeside.newConversation', message: 'New conversation'}),
  conversations: translate({id: 'citeside.conversations', message: 'Conversations'}),
  log: translate({id: 'citeside.log', message: 'Questions and answers'}),
  loading: translate({id: 'citeside.loading', message: 'Loading…'}),
  welcome: translate({id: 'citeside.welcome', message: 'Ask anything about these docs. Answers cite the sentences they rest on.'}),
  starters: translate({id: 'citeside.starters', message: 'Questions to begin with'}),
  disclosedKept: translate({id: 'citeside.disclosedKept', message: 'A conversation is deleted {days} days after you continued it last.'}),
  disclosedScrubbed: translate({
    id: 'citeside.disclosedScrubbed',
    message: 'What may identify you, such as an e-mail address, is replaced before a question is stored.',
  }),
  disclosedTraced: translate({
    id: 'citeside.disclosedTraced',
    message: 'Questions, the passages found and answers are sent to LangSmith.',
  }),

  input: translate({id: 'citeside.input', message: 'Your question'}),
  send: translate({id: 'citeside.send', message: 'Send'}),
  stop: translate({id: 'citeside.stop', message: 'Stop'}),
  charactersLeft: translate({id: 'citeside.charactersLeft', message: '{count} characters left'}),
  tooLong: translate({id: 'citeside.tooLong', message: '{count} characters too many'}),
  quote: translate({id: 'citeside.quote', message: 'Quoted text'}),
  quoteOnly: translate({id: 'citeside.quoteOnly', message: 'The answer uses only this text.'}),
  removeQuote: translate({id: 'citeside.removeQuote', message: 'Remove quote'}),

  question: translate({id: 'citeside.question', message: 'Question'}),
  answer: translate({id: 'citeside.answer', message: 'Answer'}),
  copyAnswer: translate({id: 'citeside.copyAnswer', message: 'Copy answer'}),
  copyCode: translate({id: 'citeside.copyCode', message: 'Copy code'}),
  copyLink: translate({id: 'citeside.copyLink', message: 'Copy link'}),
  copied: translate({id: 'citeside.copied', message: 'Copied'}),
  tryAgain: translate({id: 'citeside.tryAgain', message: 'Try again'}),
  tryAgainIn: translate({id: 'citeside.tryAgainIn', message: 'Try again in {seconds} s'}),
  tryAgainInMinutes: translate({id: 'citeside.tryAgainInMinutes', message: 'Try again in {minutes} min'}),
  tryAgainInHours: translate({id: 'citeside.tryAgainInHours', message: 'Try again in {hours} h'}),
  table: translate({id: 'citeside.table', message: 'Table'}),
  code: translate({id: 'citeside.code', message: 'Code'}),
  showSources: translate({id: 'citeside.showSources', message: 'Show sources'}),
  sources: translate({id: 'citeside.sources', message: 'Sources'}),
  source: translate({id: 'citeside.source', message: 'Source {marker}: {title}'}),
  unsupported: translate({id: 'citeside.unsupported', message: 'No cited passage supports this sentence.'}),
  unsupportedNote: translate({id: 'citeside.unsupportedNote', message: 'No cited passage supports the sentences with a dotted line.'}),
  nearest: translate({id: 'citeside.nearest', message: 'The nearest pages'}),
  notCovered: translate({id: 'citeside.notCovered', message: 'The docs do not cover this.'}),

  helpful: translate({id: 'citeside.helpful', message: 'Helpful'}),
  notHelpful: translate({id: 'citeside.notHelpful', message: 'Not helpful'}),
  reason: translate({id: 'citeside.reason', message: 'What was wrong?'}),
  reasonWrong: translate({id: 'citeside.reasonWrong', message: 'It is wrong'}),
  reasonIncomplete: translate({id: 'citeside.reasonIncomplete', message: 'Something is missing'}),
  reasonVersion: translate({id: 'citeside.reasonVersion', message: 'It is about another version'}),
  reasonSources: translate({id: 'citeside.reasonSources', message: 'The sources do not fit'}),
  reasonOther: translate({id: 'citeside.reasonOther', message: 'Something else'}),
  note: translate({id: 'citeside.note', message: 'Note (optional)'}),
  sendFeedback: translate({id: 'citeside.sendFeedback', message: 'Send feedback'}),
  thanks: translate({id: 'citeside.thanks', message: 'Thank you.'}),

  condensing: translate({id: 'citeside.condensing', message: 'Understanding the question…'}),
  retrieving: translate({id: 'citeside.retrieving', message: 'Searching the docs…'}),
  reading: translate({id: 'citeside.reading', message: 'Reading…'}),
  assessing: translate({id: 'citeside.assessing', message: 'Reading the quoted text…'}),
  answering: translate({id: 'citeside.answering', message: 'Answering…'}),
  checking: translate({id: 'citeside.checking', message: 'Checking the citations…'}),
  sending: translate({id: 'citeside.sending', message: 'Sending…'}),
  reconnecting: translate({id: 'citeside.reconnecting', message: 'Connecting again…'}),

  verdictPartial: translate({id: 'citeside.verdictPartial', message: 'The quoted text answers only a part of this.'}),
  verdictInsufficient: translate({id: 'citeside.verdictInsufficient', message: 'The quoted text does not answer this.'}),
  missing: translate({id: 'citeside.missing', message: 'What is missing'}),
  minimalText: translate({id: 'citeside.minimalText', message: 'Enough would be:'}),
  widen: translate({id: 'citeside.widen', message: 'Ask again with more text:'}),
  useSection: translate({id: 'citeside.useSection', message: 'Use this section'}),
  usePage: translate({id: 'citeside.usePage', message: 'Use this page'}),
  searchAll: translate({id: 'citeside.searchAll', message: 'Search all docs'}),
  characters: translate({id: 'citeside.characters', message: '{count} characters'}),
  overLimit: translate({id: 'citeside.overLimit', message: '{count} characters, at most {limit}'}),

  stopped: translate({id: 'citeside.stopped', message: 'Stopped.'}),
  interrupted: translate({id: 'citeside.interrupted', message: 'The server stopped before the answer was complete.'}),
  failed: translate({id: 'citeside.failed', message: 'The answer could not be completed.'}),
  truncated: translate({id: 'citeside.truncated', message: 'The answer reached its length limit; its end is missing.'}),

  back: translate({id: 'citeside.back', message: 'Back'}),
  untitled: translate({id: 'citeside.untitled', message: 'Without a title'}),
  noConversations: translate({id: 'citeside.noConversations', message: 'No conversations yet.'}),
  rename: translate({id: 'citeside.rename', message: 'Rename'}),
  newTitle: translate({id: 'citeside.newTitle', message: 'New title'}),
  save: translate({id: 'citeside.save', message: 'Save'}),
  cancel: translate({id: 'citeside.cancel', message: 'Cancel'}),
  remove: translate({id: 'citeside.remove', message: 'Delete'}),
  removeAsk: translate({id: 'citeside.removeAsk', message: 'Delete this conversation?'}),
  showMore: translate({id: 'citeside.showMore', message: 'Show more'}),
  forget: translate({id: 'citeside.forget', message: 'Delete my data'}),
  forgetAsk: translate({
    id: 'citeside.forgetAsk',
    message: 'This deletes all your conversations and feedback from the server. It cannot be undone.',
  }),
  forgetYes: translate({id: 'citeside.forgetYes', message: 'Delete everything'}),

  searchInstead: translate({id: 'citeside.searchInstead', message: 'Search instead'}),
  found: translate({id: 'citeside.found', message: 'Search results'}),
  nothingFound: translate({id: 'citeside.nothingFound', message: 'Nothing was found.'}),

  problemNetwork: translate({
    id: 'citeside.problemNetwork',
    message: 'The server does not answer. Check your connection and try again.',
  }),
  problemSession: translate({id: 'citeside.problemSession', message: 'Your session has ended. Ask again to begin a new one.'}),
  problemGone: translate({id: 'citeside.problemGone', message: 'This conversation does not exist any more. Ask again to begin a new one.'}),
  problemRunning: translate({
    id: 'citeside.problemRunning',
    message: 'An answer in this conversation is still being written. Your question is back in the box.',
  }),
  problemNotLast: translate({id: 'citeside.problemNotLast', message: 'The conversation has gone on. Ask the question anew.'}),
  problemTooLarge: translate({id: 'citeside.problemTooLarge', message: 'This is too much text for one question. Shorten it.'}),
  problemInvalid: translate({id: 'citeside.problemInvalid', message: 'The server does not accept this question: {detail}'}),
  problemLimited: translate({id: 'citeside.problemLimited', message: 'Too many questions in a short time. Wait a moment.'}),
  problemLimitedAddress: translate({
    id: 'citeside.problemLimitedAddress',
    message: 'Too many questions came from your network in a short time. Wait a moment.',
  }),
  problemManyRunning: translate({
    id: 'citeside.problemManyRunning',
    message: 'Several answers are being written for your network. Wait until one of them ends.',
  }),
  problemBudget: translate({
    id: 'citeside.problemBudget',
    message: 'The questions that can be answered today are used up. You can still search the docs.',
  }),
  problemPaused: translate({
    id: 'citeside.problemPaused',
    message: 'Questions are not answered at the moment. You can still search the docs.',
  }),
  problemProof: translate({
    id: 'citeside.problemProof',
    message: 'The server could not make sure that you are no robot. Load the page again, then ask again.',
  }),
  problemBusy: translate({id: 'citeside.problemBusy', message: 'The server is busy. Try again in a moment.'}),
  problemIndex: translate({id: 'citeside.problemIndex', message: 'The docs cannot be searched at the moment.'}),
  problemModel: translate({id: 'citeside.problemModel', message: 'The language model gives no answer at the moment.'}),
  problemFiltered: translate({id: 'citeside.problemFiltered', message: 'The answer was stopped by a content filter. Try other words.'}),
  problemTimeout: translate({id: 'citeside.problemTimeout', message: 'The answer took too long.'}),
  problemServer: translate({id: 'citeside.problemServer', message: 'The server has a fault. Try again later.'}),
  problemOther: translate({id: 'citeside.problemOther', message: 'Something went wrong.'}),
};

export type Label = keyof typeof catalogue;

/** The text for `label`, with `{name}` replaced by the value of that name. */
export function label(name: Label, values: Record<string, string | number> = {}): string {
  const text = options().labels?.[name] ?? catalogue[name];
  return text.replace(/\{(\w+)\}/g, (hole, key: string) => String(values[key] ?? hole));
}

const disclosed: Record<string, Label> = {kept: 'disclosedKept', scrubbed: 'disclosedScrubbed', traced: 'disclosedTraced'};

/** What the server wants its readers to know, in their language where we know the code. */
export function disclosure({code, detail}: Notice, days: number): string {
  return disclosed[code] ? label(disclosed[code], {days}) : detail;
}

const problems: Record<string, Label> = {
  network: 'problemNetwork',
  session_required: 'problemSession',
  session_unknown: 'problemSession',
  thread_unknown: 'problemGone',
  turn_unknown: 'problemGone',
  message_unknown: 'problemGone',
  turn_running: 'problemRunning',
  turn_not_last: 'problemNotLast',
  attempt_unknown: 'problemNotLast',
  body_too_large: 'problemTooLarge',
  invalid_request: 'problemInvalid',
  selection_blank: 'problemInvalid',
  rate_limited: 'problemLimited',
  rate_limited_address: 'problemLimitedAddress',
  too_many_running: 'problemManyRunning',
  budget_exhausted: 'problemBudget',
  paused: 'problemPaused',
  proof_required: 'problemProof',
  proof_refused: 'problemProof',
  proof_unchecked: 'problemBusy',
  overloaded: 'problemBusy',
  store_unavailable: 'problemBusy',
  index_missing: 'problemIndex',
  index_unavailable: 'problemIndex',
  model_unavailable: 'problemModel',
  model_failed: 'problemModel',
  filtered: 'problemFiltered',
  timeout: 'problemTimeout',
  truncated: 'truncated',
  interrupted: 'interrupted',
  internal: 'problemServer',
  failed: 'failed',
};

/** A sentence for the reader about a problem of this code. */
export function sentence(code: string, detail = ''): string {
  return label(problems[code] ?? 'problemOther', {detail});
}
