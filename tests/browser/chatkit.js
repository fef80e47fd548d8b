// Stands in for OpenAI's script: an element with the methods, events and requests of theirs, and the least of a face.
// It proves our half of the contract alone: options, fetch, events, and the server behind them.

const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

class ChatKit extends HTMLElement {
  configured = 0; // how often it was
  #options;
  #threadId = null;
  #items = new Map();
  #reply = '';
  #hangUp; // aborts the answer that comes in
  #log = make('ol', {ariaLabel: 'Thread'});
  #box = make('textarea', {ariaLabel: 'Message'});

  constructor() {
    super();
    const button = (text, act) => make('button', {textContent: text, onclick: act});
    this.attachShadow({mode: 'open'}).append(
      button('New thread', () => this.setThreadId(null)),
      this.#log,
      this.#box,
      button('Send message', () => this.#send(this.#box.value)),
      button('Stop answer', () => this.#hangUp?.abort()),
    );
  }

  get options() {
    return this.#options;
  }

  setOptions(options) {
    this.#options = options;
    if (this.configured++) return;
    this.shadowRoot.prepend(make('iframe', {src: new URL('frame.html', SCRIPT), title: options.frameTitle}));
    this.#say('ready');
    if (options.initialThread) void this.setThreadId(options.initialThread);
  }

  async setThreadId(id) {
    this.#free();
    this.#items.clear();
    this.#show();
    this.#change(id);
    if (id) await this.fetchUpdates();
  }

  async fetchUpdates() {
    this.#free();
    const threadId = this.#threadId;
    this.#say('thread.load.start', {threadId});
    const response = await this.#post({type: 'threads.get_by_id', params: {thread_id: threadId}});
    if (response.ok) for (const item of (await response.json()).items.data) this.#items.set(item.id, item);
    this.#show();
    this.#hangUp = undefined;
    this.#say('thread.load.end', {threadId});
  }

  async setComposerValue({text, reply}) {
    this.#free();
    this.#box.value = text ?? this.#box.value;
    this.#reply = reply ?? this.#reply;
  }

  async focusComposer() {
    this.#free();
    this.#box.focus();
  }

  #free() {
    if (this.#hangUp) throw new Error('busy');
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(`chatkit.${name}`, {detail}));
  }

  #change(id) {
    this.#threadId = id;
    this.#say('thread.change', {threadId: id});
  }

  #send(text) {
    const content = [{type: 'input_text', text}];
    const input = {content, quoted_text: this.#reply, attachments: [], inference_options: {}};
    this.#box.value = this.#reply = '';
    const type = this.#threadId ? 'threads.add_user_message' : 'threads.create';
    return this.#answer({type, params: {...(this.#threadId && {thread_id: this.#threadId}), input}});
  }

  #post(body, signal) {
    const headers = {'Content-Type': 'application/json', 'Accept-Language': this.#options.locale, 'chatkit-frame-instance-id': 'stub'};
    const {url, fetch} = this.#options.api;
    return fetch(url, {method: 'POST', headers, body: JSON.stringify(body), signal});
  }

  async #answer(body) {
    this.#free();
    this.#hangUp = new AbortController();
    this.#say('response.start');
    try {
      const response = await this.#post(body, this.#hangUp.signal);
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      let text = '';
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        const frames = (text + piece).split(/\r?\n\r?\n/);
        text = frames.pop();
        for (const frame of frames) if (frame.startsWith('data: ')) this.#take(JSON.parse(frame.slice(6)));
      }
    } catch (error) {
      if (!this.#hangUp.signal.aborted) this.#say('error', {error});
    } finally {
      this.#hangUp = undefined;
      this.#say('response.end');
    }
  }

  #take(event) {
    if (event.type === 'thread.created') this.#change(event.thread.id);
    else if (/item\.(added|done|replaced)$/.test(event.type)) this.#items.set(event.item.id, event.item);
    else if (event.type === 'thread.item.removed') this.#items.delete(event.item_id);
    else if (event.type === 'thread.item.updated') {
      const {content} = this.#items.get(event.item_id);
      const {type, content_index: index, delta, content: part} = event.update;
      if (type.endsWith('text_delta')) content[index].text += delta;
      else if (part) content[index] = part;
    }
    this.#show();
  }

  #show() {
    this.#log.replaceChildren(...[...this.#items.values()].map((item) => this.#shown(item)));
  }

  #shown(item) {
    const {text = '', annotations = []} = item.content[0] ?? {};
    const line = make('li', {}, make('p', {textContent: text}));
    if (item.type === 'user_message') {
      if (item.quoted_text) line.prepend(make('q', {textContent: item.quoted_text}));
      if (this.#options.threadItemActions.retry) {
        const params = {thread_id: item.thread_id, item_id: item.id};
        line.append(make('button', {textContent: 'Retry', onclick: () => this.#answer({type: 'threads.retry_after_item', params})}));
      }
    } else if (this.#options.threadItemActions.feedback) {
      const params = {thread_id: item.thread_id, item_ids: [item.id], kind: 'positive'};
      line.append(make('button', {textContent: 'Good answer', onclick: () => this.#post({type: 'items.feedback', params})}));
    }
    for (const {source} of annotations) {
      line.append(make('button', {textContent: source.title, onclick: () => this.#options.entities.onClick(source)}));
    }
    return line;
  }
}

const SCRIPT = document.currentScript.src;
customElements.define('openai-chatkit', ChatKit);
