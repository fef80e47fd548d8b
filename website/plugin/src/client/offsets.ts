/** Converts between the server's offsets, which count code points, and those of JavaScript, which count UTF-16 units. */

/** Returns the index in `text` of its code point number `codePoint`; the end of the text when it has fewer. */
export function utf16(text: string, codePoint: number): number {
  let index = 0;
  for (let n = 0; n < codePoint && index < text.length; n++) index += text.codePointAt(index)! > 0xffff ? 2 : 1;
  return index;
}

/** Returns how many code points `text` has. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
