// Cloudflare Worker on the routes of the allow-listed paths, whose GETs are the same for everybody: Cloudflare's cache
// answers for 300 seconds, and for a day more while it asks again behind the visitor's back. Who shows a credential is
// always answered by the origin. The seconds are the roadmap's, and an upper bound: an answer may ask for less.
const FRESH_SECONDS = 300;
const STALE_SECONDS = 86400;
const STORED = 'x-edge-stored';
const FRESH = 'x-edge-fresh';
const CONTROL = 'x-edge-control';

export default {
  fetch(request, env, context) {
    // Whatever goes wrong here, the origin still answers.
    context.passThroughOnException();
    return answer(request, context, { cache: caches.default, origin: fetch, now: Date.now() });
  },
};

export async function answer(request, context, { cache, origin, now }) {
  if (!isAnonymous(request)) {
    return origin(request);
  }
  const key = keyOf(request);
  const kept = await cache.match(key);
  if (!kept) {
    return refresh(request, context, { cache, origin, now, key });
  }
  const age = Math.floor((now - Number(kept.headers.get(STORED))) / 1000);
  if (age < Number(kept.headers.get(FRESH))) {
    return restored(kept, age, 'hit');
  }
  context.waitUntil(refresh(request, context, { cache, origin, now, key }));
  return restored(kept, age, 'stale');
}

function isAnonymous(request) {
  return request.method === 'GET' && !['authorization', 'cookie', 'range'].some((name) => request.headers.has(name));
}

// CORS answers differ by the asking site. Real paths begin with /api/, so none can pretend to be such a key.
function keyOf(request) {
  const url = new URL(request.url);
  url.pathname = `/${encodeURIComponent(request.headers.get('origin') ?? 'none')}${url.pathname}`;
  return new Request(url.toString());
}

async function refresh(request, context, { cache, origin, now, key }) {
  const response = await origin(request);
  const seconds = freshSeconds(response);
  if (seconds > 0) {
    const copy = response.clone();
    const kept = new Response(copy.body, copy);
    kept.headers.set(STORED, String(now));
    kept.headers.set(FRESH, String(seconds));
    kept.headers.set(CONTROL, response.headers.get('cache-control') ?? '');
    kept.headers.set('cache-control', `public, max-age=${seconds + STALE_SECONDS}`);
    kept.headers.delete('age');
    context.waitUntil(cache.put(key, kept));
  } else if (response.status < 500) {
    // It is not for everybody any more. An origin that fails leaves what is kept.
    context.waitUntil(cache.delete(key));
  }
  return response;
}

// Seconds that an answer may still be given to others; 0 when it may not. What CloudFront has counted already counts.
export function freshSeconds(response) {
  const control = (response.headers.get('cache-control') ?? '').toLowerCase();
  const varies = (response.headers.get('vary') ?? '').toLowerCase().split(',').map((name) => name.trim());
  const known = varies.every((name) => ['', 'accept-encoding', 'origin'].includes(name));
  if (response.status !== 200 || response.headers.has('set-cookie') || !known) {
    return 0;
  }
  if (/private|no-store|no-cache/.test(control)) {
    return 0;
  }
  const stated = /s-maxage=(\d+)/.exec(control) ?? /max-age=(\d+)/.exec(control);
  const lifetime = Math.min(stated ? Number(stated[1]) : FRESH_SECONDS, FRESH_SECONDS);
  return Math.max(0, lifetime - Number(response.headers.get('age') ?? 0));
}

function restored(kept, age, status) {
  const response = new Response(kept.body, kept);
  const control = kept.headers.get(CONTROL);
  if (control) {
    response.headers.set('cache-control', control);
  } else {
    response.headers.delete('cache-control');
  }
  for (const name of [STORED, FRESH, CONTROL]) {
    response.headers.delete(name);
  }
  response.headers.set('age', String(age));
  response.headers.set('x-edge-cache', status);
  return response;
}
