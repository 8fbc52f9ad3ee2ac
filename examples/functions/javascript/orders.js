// Greets whoever comes, and says what about an order is wrong. A handler of
// `wasi:http` by way of the standard `fetch` event.

import { getEnvironment } from 'wasi:cli/environment@0.2.10';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const url = new URL(request.url);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /':
      return json(200, { greeting: `${variable('GREETING') ?? 'Hello'}, ${url.searchParams.get('name') ?? 'world'}!` });
    case 'POST /orders': {
      const { order, faults } = read(await request.text());
      if (faults.length > 0) return json(422, { faults });
      return json(200, { total: order.items.reduce((sum, { price, count }) => sum + price * count, 0) });
    }
    default:
      return json(404, { faults: [`there is nothing at ${request.method} ${url.pathname}; POST an order to /orders`] });
  }
}

// An order, and a sentence for each thing that is wrong with it.
function read(text) {
  let order;
  try {
    order = JSON.parse(text);
  } catch (error) {
    return { faults: [`the order is no JSON: ${error.message}`] };
  }
  const faults = [];
  if (typeof order?.customer !== 'string' || order.customer === '') faults.push('customer: a name is missing');
  if (!Array.isArray(order?.items) || order.items.length === 0) return { faults: [...faults, 'items: there are none'] };
  order.items.forEach((item, at) => {
    if (!(Number.isFinite(item?.price) && item.price >= 0)) faults.push(`items[${at}].price: is no price`);
    if (!(Number.isInteger(item?.count) && item.count > 0)) faults.push(`items[${at}].count: is no number of pieces`);
  });
  return { order, faults };
}

function variable(name) {
  return getEnvironment().find(([known]) => known === name)?.[1];
}

function json(status, value) {
  return new Response(`${JSON.stringify(value)}\n`, { status, headers: { 'content-type': 'application/json' } });
}
