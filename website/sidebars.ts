// The reading order of the docs: first what it is, then how it works, then how to run and call it.

import type {SidebarsConfig} from '@docusaurus/plugin-content-docs';

const sidebars: SidebarsConfig = {docs: ['intro', 'quick-start', 'concepts/words']};

export default sidebars;
