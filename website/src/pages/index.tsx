// The front page: what Citeside is in three sentences, the two commands, and where to read on.

import type {ReactNode} from 'react';
import Link from '@docusaurus/Link';
import useBaseUrl from '@docusaurus/useBaseUrl';
import CodeBlock from '@theme/CodeBlock';
import Heading from '@theme/Heading';
import Layout from '@theme/Layout';

import styles from './index.module.css';

const PROMISES = [
  {
    id: 'citations',
    title: 'A citation lands on the sentence',
    text: 'The server numbers the passages before a model sees them. Each citation carries the exact words it rests on and their place on the page.',
    link: {to: '/docs/concepts/grounding', label: 'Grounding and citations'},
  },
  {
    id: 'selected-text',
    title: 'Marked text stays the only source',
    text: 'A question about marked text is answered from that text alone. When it is not enough, the answer says what is missing instead of looking elsewhere.',
    link: {to: '/docs/concepts/selected-text', label: 'Selected text'},
  },
  {
    id: 'not-covered',
    title: 'Silence is said out loud',
    text: 'When the docs do not cover a question, no model is asked to invent something. The reader gets the nearest pages.',
    link: {to: '/docs/concepts/grounding#not-covered', label: 'Not covered'},
  },
  {
    id: 'durable-turns',
    title: 'Answers outlive the connection',
    text: 'A turn goes on when the reader closes the page, and its text is stored while it streams. The thread is there when the reader comes back.',
    link: {to: '/docs/concepts/turn', label: 'The life of a turn'},
  },
];

export default function Home(): ReactNode {
  return (
    <Layout title="Cited answers at the side of your docs" description="A self-hosted chat service for Docusaurus sites.">
      <main className={styles.page}>
        <header className={styles.hero}>
          <div>
            <Heading as="h1">
              <mark>Cited answers</mark> at the side of your docs
            </Heading>
            <p className={styles.lead}>
              Citeside answers readers’ questions from a Docusaurus site and links every claim to the sentence it rests
              on. Readers can also mark a passage and ask about that text alone. You host it yourself: one Python
              program with Postgres and search built in, and no key needed to start.
            </p>
            <nav className={styles.ways} aria-label="Start here">
              <Link className="button button--primary button--lg" to="/docs/quick-start">
                Quick start
              </Link>
              <Link className={styles.way} to="/docs">
                What it is
              </Link>
              <Link className={styles.way} to="/docs/api">
                API
              </Link>
            </nav>
          </div>
          <img
            className={styles.picture}
            src={useBaseUrl('/img/reader.svg')}
            width={960}
            height={448}
            alt="A page of the docs and two answers. One cites the marked sentence of the page. The other was constrained to it and says what is missing."
          />
        </header>

        <section className={styles.commands}>
          <div>
            <Heading as="h2" id="two-commands">
              Two commands
            </Heading>
            <p>
              On a fresh Debian 12 with Python, venv and git. The demo answers from these very docs; give it the{' '}
              <code>build</code> folder or the address of your own site instead.
            </p>
          </div>
          <CodeBlock language="bash">{`git clone REPOSITORY citeside && cd citeside\n./run demo`}</CodeBlock>
        </section>

        <section className={styles.promises}>
          {PROMISES.map(({id, title, text, link}) => (
            <article key={id}>
              <Heading as="h2" id={id}>
                {title}
              </Heading>
              <p>{text}</p>
              <Link to={link.to}>{link.label}</Link>
            </article>
          ))}
        </section>
      </main>
    </Layout>
  );
}
