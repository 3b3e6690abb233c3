import { h } from './dom.js';

/** Buttons of which one is pressed. @param onChoice told the place of another one */
export function choices(
  label: string,
  names: readonly string[],
  pressed: number,
  onChoice: (index: number) => void,
): HTMLElement {
  const group = h('div', { class: 'choices', role: 'group', 'aria-label': label });
  const mark = (at: number) => {
    for (const [index, button] of [...group.children].entries()) {
      button.setAttribute('aria-pressed', String(index === at));
    }
  };
  const press = (index: number) => {
    mark(index);
    onChoice(index);
  };
  group.append(
    ...names.map((name, index) =>
      h('button', { type: 'button', class: 'choice', onclick: () => press(index) }, name),
    ),
  );
  mark(pressed);
  return group;
}
