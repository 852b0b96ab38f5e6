// The worker against a cache and an origin of its own: `node --test tests/components/edge_cache.test.mjs`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, freshSeconds } from '../../components/functions/edge_cache.mjs';

const URL_ = 'https://api.example.com/api/v1/posts/1';
const MINUTE = 60_000;

function world(respond) {
  const kept = new Map();
  const tasks = [];
  const asked = [];
  const cache = {
    match: async (key) => kept.get(key.url)?.clone(),
    put: async (key, response) => kept.set(key.url, response),
    delete: async (key) => kept.delete(key.url),
  };
  const origin = async (request) => {
    asked.push(request);
    return respond(asked.length);
  };
  const ask = async (headers = {}, now = 0, init = {}) => {
    const context = { waitUntil: (task) => tasks.push(task) };
    const response = await answer(new Request(URL_, { headers, ...init }), context, { cache, origin, now });
    // A refresh behind the answer starts a task of its own.
    while (tasks.length) await tasks.shift();
    return response;
  };
  return { ask, asked, kept };
}

const fine = (count) => new Response(`answer ${count}`, { headers: { 'cache-control': 'public, max-age=60' } });
const open = (count) => new Response(`answer ${count}`);

test('the second visitor is answered at the edge', async () => {
  const { ask, asked } = world(open);
  assert.equal(await (await ask()).text(), 'answer 1');
  const second = await ask({}, 4 * MINUTE);
  assert.equal(await second.text(), 'answer 1');
  assert.equal(second.headers.get('x-edge-cache'), 'hit');
  assert.equal(second.headers.get('age'), '240');
  assert.equal(asked.length, 1);
});

test('after its time an answer is given once more while the next is fetched', async () => {
  const { ask, asked } = world(open);
  await ask();
  const stale = await ask({}, 6 * MINUTE);
  assert.equal(await stale.text(), 'answer 1');
  assert.equal(stale.headers.get('x-edge-cache'), 'stale');
  assert.equal(await (await ask({}, 7 * MINUTE)).text(), 'answer 2');
  assert.equal(asked.length, 2);
});

for (const name of ['authorization', 'cookie', 'range']) {
  test(`who sends ${name} is answered by the origin, and changes nothing for others`, async () => {
    const { ask, asked, kept } = world(open);
    await ask();
    assert.equal(await (await ask({ [name]: 'x' })).text(), 'answer 2');
    assert.equal(asked.at(-1).headers.get(name), 'x');
    assert.equal(kept.size, 1);
    assert.equal(await (await ask()).text(), 'answer 1');
  });
}

test('only GET is kept', async () => {
  const { ask, kept } = world(open);
  await ask({}, 0, { method: 'POST', body: 'x' });
  await ask({}, 0, { method: 'HEAD' });
  assert.equal(kept.size, 0);
});

test('each asking site has an answer of its own', async () => {
  const { ask, asked } = world(open);
  await ask({ origin: 'https://a.example' });
  await ask({ origin: 'https://b.example' });
  await ask();
  assert.equal(asked.length, 3);
  assert.equal(await (await ask({ origin: 'https://b.example' })).text(), 'answer 2');
});

test('browsers hear what the origin said, and nothing of ours', async () => {
  const { ask } = world(fine);
  await ask();
  const kept = await ask();
  assert.equal(kept.headers.get('cache-control'), 'public, max-age=60');
  assert.deepEqual([...kept.headers.keys()].filter((name) => name.startsWith('x-edge')), ['x-edge-cache']);
});

test('what became personal is forgotten, what only failed is not', async () => {
  const answers = [open, () => new Response('', { status: 503 }), () => new Response('', { headers: { 'set-cookie': 'a=b' } })];
  const { ask, kept } = world((count) => answers[count - 1](count));
  await ask();
  await ask({}, 6 * MINUTE);
  assert.equal(kept.size, 1);
  await ask({}, 7 * MINUTE);
  assert.equal(kept.size, 0);
});

test('an answer is kept for as long as all caches together may', () => {
  const seconds = (headers, status = 200) => freshSeconds(new Response('', { status, headers }));
  assert.equal(seconds({}), 300);
  assert.equal(seconds({ 'cache-control': 'public, max-age=10, s-maxage=60' }), 60);
  assert.equal(seconds({ 'cache-control': 'max-age=86400' }), 300);
  assert.equal(seconds({ age: '200' }), 100);
  assert.equal(seconds({ age: '400' }), 0);
  for (const control of ['private', 'no-store', 'public, no-cache', 'max-age=0']) {
    assert.equal(seconds({ 'cache-control': control }), 0, control);
  }
  assert.equal(seconds({ vary: 'Accept-Encoding, Origin' }), 300);
  assert.equal(seconds({ vary: 'Cookie' }), 0);
  assert.equal(seconds({ vary: '*' }), 0);
  assert.equal(seconds({}, 404), 0);
});
