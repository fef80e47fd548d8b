// ChatKit in place of the built-in panel, which takes over when OpenAI's element does not come.

import {createRef} from 'react';
import {flushSync} from 'react-dom';
import {createRoot} from 'react-dom/client';

import {browserStore, createClient} from '../client';
import type {Controls, PanelHandle} from '../page/panel';
import {revealWanted} from '../page/passage';
import {options} from '../page/site';
import {adopt} from '../page/style';
import {css} from '../theme/Citeside/styles';
import {type ChatHandle, Panel} from './Panel';

const FILLING = '.citeside-chatkit { flex: 1; min-height: 0; } .citeside-chatkit > * { display: block; width: 100%; height: 100%; }';

export default function mount(host: HTMLElement, controls: Controls): PanelHandle {
  const client = createClient({apiUrl: options().apiUrl, store: browserStore(), proof: () => window.citesideProof?.()});
  const chat = createRef<ChatHandle>();
  let builtin: PanelHandle | undefined;
  let failed = false;
  const root = createRoot(host);
  adopt(css + FILLING);
  void revealWanted();

  function onFailure(reason: string): void {
    failed = true;
    console.warn(`Citeside: the built-in panel takes the place of ChatKit: ${reason}`);
    void replace();
  }

  async function replace(): Promise<void> {
    // With the element the network may be gone: then the next opening tries again.
    const theme = await import('@theme/Citeside').catch(() => null);
    const {current} = chat;
    if (theme && current) {
      const [open, request] = [current.isOpen(), current.request()];
      root.unmount();
      builtin = theme.default(host, controls);
      if (open) {
        builtin.open(request);
      }
    }
  }

  flushSync(() => root.render(<Panel ref={chat} client={client} onClose={controls.onClose} onFailure={onFailure} />));
  const panel = () => builtin ?? chat.current;
  return {
    open(request) {
      panel()?.open(request);
      if (failed && !builtin) {
        void replace();
      }
    },
    close: () => panel()?.close(),
    isOpen: () => panel()?.isOpen() ?? false,
  };
}
