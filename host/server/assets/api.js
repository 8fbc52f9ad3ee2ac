// The REST interface, read only. The access token lives as long as the tab.

const KEY = "modelyard-token";

export class Refused extends Error {}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

async function ask(path) {
  const headers = token.get() ? { authorization: `Bearer ${token.get()}` } : {};
  const response = await fetch(`/api/v1${path}`, { headers, signal: AbortSignal.timeout(15000) });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const message = problem.detail || problem.title || `${response.status} ${response.statusText}`;
  throw response.status === 401 ? new Refused(message) : new Error(message);
}

export const get = async (path) => (await ask(path)).json();

export const text = async (path) => (await ask(path)).text();

// A list, whether it comes as a page, as a bare array or under another name.
export async function list(path, limit = 50) {
  const answer = await get(path + (path.includes("?") ? "&" : "?") + `limit=${limit}`);
  if (Array.isArray(answer)) return answer;
  return answer.items ?? Object.values(answer).find(Array.isArray) ?? [];
}

export const encode = encodeURIComponent;
