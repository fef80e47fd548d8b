/** Keeps the types of the wire at the server's schema; `npx vitest run client.wire -u` writes them anew. */
import {readFileSync} from 'node:fs';
import {compile} from 'json-schema-to-typescript';
import {expect, test} from 'vitest';

const BANNER = `/**
 * What the server sends and takes, made from schema.json: \`npx vitest run client.wire -u\` in website/plugin.
 *
 * Ids are UUIDs, times ISO 8601, and offsets count code points.
 */`;

test('the types of the wire are those of the schema', async () => {
  const schema = readFileSync(new URL('../src/client/schema.json', import.meta.url), 'utf8');
  const types = await compile(JSON.parse(schema), 'Wire', {
    additionalProperties: false,
    bannerComment: BANNER,
    customName: (_, definition) => (definition === 'Page_Thread_' ? 'ThreadPage' : definition),
    ignoreMinAndMaxItems: true,
    style: {singleQuote: true, bracketSpacing: false, printWidth: 120},
  });
  await expect(types).toMatchFileSnapshot('../src/client/wire.ts');
});
