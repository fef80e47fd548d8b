// The site's own Root, around that of the other plugin.

import React from 'react';
import Root from '@theme-original/Root';

export default function OwnRoot({children}) {
  return (
    <div data-root="site">
      <Root>{children}</Root>
    </div>
  );
}
