import { type ApiError, token } from './api.js';
import { h } from './dom.js';

/** Asks for a token, and says what it has to be good for. @param done when one was given */
export function signIn(error: ApiError, done: () => void): HTMLElement {
  const had = token.get() !== null;
  const input = h('input', {
    type: 'password',
    name: 'token',
    id: 'token',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'token-help',
  });
  const words =
    error.status === 403
      ? `This token does not open the books: ${error.message}`
      : had
        ? `The server does not take this token: ${error.message}`
        : 'This server asks for a token.';
  return h(
    'section',
    { class: 'panel sign-in', 'aria-labelledby': 'sign-in-title' },
    h('h1', { id: 'sign-in-title', tabindex: -1 }, 'Open the books'),
    h('p', { role: had ? 'alert' : undefined }, words),
    h(
      'form',
      {
        onsubmit: (event) => {
          event.preventDefault();
          token.set(input.value);
          done();
        },
      },
      h('label', { for: 'token' }, 'Token'),
      input,
      h('button', { class: 'button main' }, 'Open'),
    ),
    h(
      'p',
      { class: 'hint', id: 'token-help' },
      'It needs the permission analytics:read, which the roles auditor and admin have. On the server: ',
      h('code', {}, 'kassa token --tenant NAME --sub YOU --role auditor'),
      '. It is kept in this tab until the tab is closed.',
    ),
  );
}
