import { lineOf, type Server, startNode, stop } from '../process.js';

/** The bare uWebSockets.js server, in a process of its own. */
export async function startEcho(): Promise<Server> {
  const child = startNode(new URL('./echo-server.js', import.meta.url), []);
  const [, port] = await lineOf(child, /listening on (\d+)/, 'the echo');
  return { port: Number(port), pids: [child.pid!], stop: () => stop(child) };
}
