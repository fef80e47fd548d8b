// The options of ChatKit's element, from those of the site.

import type {ChatKitOptions, SupportedLocale} from '@openai/chatkit';

import {label} from '../theme/Citeside/labels';
import {reveal} from '../page/passage';
import {options, visit} from '../page/site';

interface Situation {
  fetch: typeof globalThis.fetch;
  threadId: string | null;
  /** What the server says of itself to every reader. */
  disclosures: string[];
}

/** Return all options: the element does not merge them with those it had. */
export function chatKitOptions({fetch, threadId, disclosures}: Situation): ChatKitOptions {
  const {apiUrl, domainKey, starters, privacyNote} = options();
  const {lang, dataset} = document.documentElement;
  const notes = [...(privacyNote ? [privacyNote] : []), ...disclosures].join(' ');
  return {
    api: {url: `${apiUrl}/chatkit`, domainKey: domainKey!, fetch},
    locale: lang as SupportedLocale, // for any other the element is in English
    theme: {colorScheme: dataset.theme === 'dark' ? 'dark' : 'light'},
    frameTitle: label('title'),
    initialThread: threadId,
    history: {enabled: true, showDelete: true, showRename: true},
    startScreen: {greeting: label('welcome'), prompts: starters.map((text) => ({label: text, prompt: text}))},
    composer: {placeholder: label('input'), attachments: {enabled: false}, dictation: {enabled: false}},
    threadItemActions: {feedback: true, retry: true},
    entities: {onClick: ({data}) => void go(data ?? {})},
    ...(notes && {disclaimer: {text: notes}}),
  };
}

/** Show what a citation rests on, within the site. */
async function go({path, quote}: Record<string, string>): Promise<void> {
  if (path && quote) {
    await reveal({path, quote});
  } else if (path) {
    visit(path);
  }
}
