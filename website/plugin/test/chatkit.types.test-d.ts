// Holds what we rely on of ChatKit's element against the types that OpenAI publishes; a line that they refuse fails.

import type {ChatKitEvents, ChatKitOptions, CustomApiConfig, Entity, OpenAIChatKit} from '@openai/chatkit';
import {expectTypeOf, test} from 'vitest';

import {chatKitOptions} from '../src/chatkit/options';

declare const element: OpenAIChatKit;

test('the options are those of the element, with all that a server of one\'s own needs', () => {
  expectTypeOf(chatKitOptions).returns.toEqualTypeOf<ChatKitOptions>();
  const options = {
    api: {url: 'https://api.test/chatkit', domainKey: 'key', fetch},
    locale: 'nl',
    theme: {colorScheme: 'dark'},
    frameTitle: 'Ask the docs',
    initialThread: null,
    history: {enabled: true, showDelete: true, showRename: true},
    startScreen: {greeting: 'Ask.', prompts: [{label: 'How?', prompt: 'How?'}]},
    composer: {placeholder: 'Your question', attachments: {enabled: false}, dictation: {enabled: false}},
    threadItemActions: {feedback: true, retry: true},
    disclaimer: {text: 'Kept for 30 days.'},
    entities: {onClick: (entity: Entity) => void entity.data?.path},
  } satisfies ChatKitOptions;
  element.setOptions(options);
  // @ts-expect-error the element has no scheme that follows the system: the page says which
  void ({...options, theme: {colorScheme: 'system'}} satisfies ChatKitOptions);
  // @ts-expect-error a server of one's own needs a domain key
  void ({url: 'https://api.test/chatkit'} satisfies CustomApiConfig);
  // @ts-expect-error the site's locale may be one that the element does not have
  void ({...options, locale: 'tlh'} satisfies ChatKitOptions);
});

test('a quote is a reply, and an answer is stopped by breaking off its request', () => {
  void element.setComposerValue({reply: 'A notebook holds pages.'});
  void element.setComposerValue({text: 'How many?'});
  // @ts-expect-error the protocol's name for it is not one of the page's
  void element.setComposerValue({quoted_text: 'A notebook holds pages.'});
  // @ts-expect-error there is no method that stops
  void element.stop;
  expectTypeOf(element.setThreadId).parameter(0).toEqualTypeOf<string | null>();
  expectTypeOf(element.fetchUpdates).returns.toEqualTypeOf<Promise<void>>();
  expectTypeOf(element.focusComposer).returns.toEqualTypeOf<Promise<void>>();
});

test('the events that we wait for exist', () => {
  expectTypeOf<
    | 'chatkit.ready'
    | 'chatkit.response.start'
    | 'chatkit.response.end'
    | 'chatkit.thread.load.start'
    | 'chatkit.thread.load.end'
  >().toExtend<keyof ChatKitEvents>();
  expectTypeOf<ChatKitEvents['chatkit.thread.change']['detail']>().toEqualTypeOf<{threadId: string | null}>();
});
