// The reading order of the docs: first what it is, then how it works, then how to run and call it.

import type {SidebarsConfig} from '@docusaurus/plugin-content-docs';

const sidebars: SidebarsConfig = {
  docs: [
    'intro',
    'quick-start',
    {
      type: 'category',
      label: 'Concepts',
      collapsed: false,
      items: ['concepts/words', 'concepts/architecture', 'concepts/turn', 'concepts/grounding', 'concepts/selected-text', 'concepts/security'],
    },
    {
      type: 'category',
      label: 'Guides',
      collapsed: false,
      items: [
        'guides/panel',
        'guides/chatkit',
        'guides/mcp',
        'guides/ingest',
        'guides/models',
        'guides/configuration',
        'guides/limits',
        'guides/privacy',
        'guides/evaluation',
        'guides/gaps',
        'guides/notebooks',
      ],
    },
    {
      type: 'category',
      label: 'Deployment',
      items: [
        'guides/deployment',
        'guides/checklist',
        'guides/docker',
        'guides/deploy-neon-qdrant',
        'guides/several-workers',
        'guides/scale',
        'guides/upgrades',
        'guides/backup',
        'guides/monitoring',
        'guides/tracing',
      ],
    },
    {
      type: 'category',
      label: 'API',
      link: {type: 'doc', id: 'api/index'},
      items: ['api/sessions', 'api/threads', 'api/chat', 'api/stream', 'api/turns', 'api/chatkit', 'api/search', 'api/operations', 'api/errors', 'api/offsets'],
    },
    {
      type: 'category',
      label: 'Help',
      items: ['help/troubleshooting', 'help/known-limits', 'help/how-good', 'help/faults', 'help/benchmarks', 'help/contributing'],
    },
    {
      type: 'category',
      label: 'Decisions',
      link: {type: 'doc', id: 'decisions/index'},
      items: [
        'decisions/streaming',
        'decisions/durable-turns',
        'decisions/sessions',
        'decisions/contracts',
        'decisions/embedded-parts',
        'decisions/retrieval',
        'decisions/selected-text-rule',
        'decisions/sufficiency',
        'decisions/extractive-answers',
        'decisions/panel',
        'decisions/support-scorer',
        'decisions/chatkit',
        'decisions/limits',
      ],
    },
  ],
};

export default sidebars;
