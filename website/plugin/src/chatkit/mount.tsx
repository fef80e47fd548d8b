// ChatKit in place of the built-in panel, which takes over when OpenAI's element does not come.

import {createRef} from 'react';
import {flushSync} from 'react-dom';
import {createRoot} from 'react-dom/client';

import {browserStore, createClient} from '../client';
import type {Controls, PanelHandle, Request} from '../page/panel';
import {revealWanted} from '../page/passage';
import {options} from '../page/site';
import {adopt} from '../page/style';
import {css} from '../theme/Citeside/styles';
import {Panel} from './Panel';

const FILLING = '.citeside-chatkit { flex: 1; min-height: 0; } .citeside-chatkit > * { display: block; width: 100%; height: 100%; }';
const HINT =
  'The built-in panel takes its place. Outside localhost OpenAI must know this domain, and domainKey must be its key: ' +
  'https://platform.openai.com/settings/organization/security/domain-allowlist';

export default function mount(host: HTMLElement, controls: Controls): PanelHandle {
  const client = createClient({apiUrl: options().apiUrl, store: browserStore()});
  const chat = createRef<PanelHandle>();
  let panel = chat;
  const root = createRoot(host);
  adopt(css + FILLING);
  void revealWanted();

  async function replace(reason: string, request: Request): Promise<void> {
    console.warn(`Citeside: ChatKit cannot be shown: ${reason}. ${HINT}`);
    const {default: mountBuiltin} = await import('@theme/Citeside');
    const open = chat.current?.isOpen();
    root.unmount();
    panel = {current: mountBuiltin(host, controls)};
    if (open) {
      panel.current?.open(request);
    }
  }

  flushSync(() => root.render(<Panel ref={chat} client={client} onClose={controls.onClose} onFailure={(...why) => void replace(...why)} />));
  return {
    open: (request) => panel.current?.open(request),
    close: () => panel.current?.close(),
    isOpen: () => panel.current?.isOpen() ?? false,
  };
}
