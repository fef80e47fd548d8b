// What the launcher loads: `lazy.ts` of this folder, or that of `chatkit/`, as the option `ui` says.

declare module '@citeside/ui' {
  export const mount: import('./panel').Mount;
  export const capture: typeof import('./passage').capture;
}
