// All that a page without an open panel does without, in one chunk.

export {default as mount} from '@theme/Citeside';
export {capture} from './passage';
