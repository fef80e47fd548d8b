// The panel as the page opens it: `mount` puts it into an element of its own, apart from the site's React tree.

import {createRef} from 'react';
import {flushSync} from 'react-dom';
import {createRoot} from 'react-dom/client';
import {browserStore, createClient} from '../../client';
import {options} from '../../page/site';
import {Panel} from './Panel';
import type {Handle} from './Panel';
import {adopt} from './styles';

/** What the panel asks of the page. */
export interface Controls {
  /** The panel was closed: show the launcher again and give it the focus. */
  onClose(): void;
}

/** What the page asks of the panel. */
export type PanelHandle = Handle;

export default function mount(host: HTMLElement, controls: Controls): PanelHandle {
  const {apiUrl} = options();
  const client = createClient({apiUrl, store: browserStore()});
  const panel = createRef<Handle>();
  adopt(document);
  const root = createRoot(host);
  flushSync(() => root.render(<Panel ref={panel} client={client} channelName={`citeside:${apiUrl}`} onClose={controls.onClose} />));
  return {
    open: (request) => panel.current?.open(request),
    close: () => panel.current?.close(),
    isOpen: () => panel.current?.isOpen() ?? false,
  };
}
