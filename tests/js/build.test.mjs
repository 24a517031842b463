import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';

import { minify } from 'terser';

const folder = new URL('../../token_lifecycle/static/token_lifecycle/', import.meta.url);
const read = (name, base = folder) => readFileSync(new URL(name, base), 'utf8');

it('the built client is that of the source', async () => {
  const options = JSON.parse(read('terser.json', import.meta.url));
  const { code } = await minify(read('client.js'), options);
  assert.equal(read('client.min.js').trim(), code, 'run `npm run build`');
});

it('the built client keeps its promise of size', () => {
  assert.ok(gzipSync(read('client.min.js')).length <= 3584);
});

it('the client never writes to the console, nor to session storage', () => {
  assert.doesNotMatch(read('client.js'), /console\.|sessionStorage/);
});
