// A button that copies a text and says so.

import {useEffect, useState} from 'react';
import {label} from './labels';

export function CopyButton({text, name}: {text: string; name: string}) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <button type="button" className="citeside-small" aria-label={name} onClick={() => void copy().catch(() => {})}>
      <span aria-live="polite">{copied ? label('copied') : name}</span>
    </button>
  );
}
