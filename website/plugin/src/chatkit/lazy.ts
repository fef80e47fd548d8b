// All that a page without an open panel does without, in one chunk, for a site that chose ChatKit.

export {default as mount} from './mount';
export {capture} from '../page/passage';
