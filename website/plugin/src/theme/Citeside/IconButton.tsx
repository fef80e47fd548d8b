// A button that shows a sign, and its name to those who cannot see it or point at it.

import type {ButtonHTMLAttributes} from 'react';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  name: string;
  /** The strokes of the sign in a box of 24 by 24. */
  path: string;
}

export const signs = {
  close: 'M6 6l12 12M18 6L6 18',
  list: 'M4 6h16M4 12h16M4 18h10',
  plus: 'M12 5v14M5 12h14',
};

export function IconButton({name, path, ...rest}: Props) {
  return (
    <button type="button" className="citeside-icon" aria-label={name} title={name} {...rest}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={path} />
      </svg>
    </button>
  );
}
