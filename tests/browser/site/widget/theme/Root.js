import React from 'react';

export default function WidgetRoot({children}) {
  return <div data-root="widget">{children}</div>;
}
