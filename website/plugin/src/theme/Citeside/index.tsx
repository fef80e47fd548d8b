// The panel as the page opens it: `mount` puts it into an element of its own, apart from the site's React tree.

import {createRef} from 'react';
import {flushSync} from 'react-dom';
import {createRoot} from 'react-dom/client';
import {browserStore, createClient} from 'docusaurus-plugin-citeside/client';
import type {Controls, PanelHandle} from 'docusaurus-plugin-citeside/page/panel';
import {revealWanted} from 'docusaurus-plugin-citeside/page/passage';
import {options} from 'docusaurus-plugin-citeside/page/site';
import {adopt} from 'docusaurus-plugin-citeside/page/style';
import {Panel} from './Panel';
import {css} from './styles';

export default function mount(host: HTMLElement, controls: Controls): PanelHandle {
  const {apiUrl} = options();
  const client = createClient({apiUrl, store: browserStore(), proof: () => window.citesideProof?.()});
  const panel = createRef<PanelHandle>();
  adopt(css);
  const root = createRoot(host);
  void revealWanted();
  flushSync(() => root.render(<Panel ref={panel} client={client} channelName={`citeside:${apiUrl}`} onClose={controls.onClose} />));
  return {
    open: (request) => panel.current?.open(request),
    close: () => panel.current?.close(),
    isOpen: () => panel.current?.isOpen() ?? false,
  };
}
