// The front page: what Citeside is, the two commands, and where to read on.

import type {ReactNode} from 'react';
import Link from '@docusaurus/Link';
import Layout from '@theme/Layout';

export default function Home(): ReactNode {
  return (
    <Layout description="Cited answers at the side of your docs">
      <main className="container margin-vert--xl">
        <h1>Cited answers at the side of your docs</h1>
        <Link to="/docs">Read the docs</Link>
      </main>
    </Layout>
  );
}
