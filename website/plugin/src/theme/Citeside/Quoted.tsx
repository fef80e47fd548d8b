// The text that a question is about, as the reader marked it: code in it is shown as code.

import {partsOf} from 'docusaurus-plugin-citeside/page/selectors';

export function Quoted({text}: {text: string}) {
  return (
    <blockquote tabIndex={0}>
      {partsOf(text).map(({code, text: part}, index) => (code ? <pre key={index}>{part}</pre> : <span key={index}>{part}</span>))}
    </blockquote>
  );
}
