import type { Outcome } from '../../engine/types.js';
import type { Session } from '../../src/session.js';
import type { Command } from './model.js';

/** Gives a command of the model to a session. */
export function perform(session: Session, command: Command): Promise<Outcome<object>> {
  switch (command.op) {
    case 'transaction':
      return session.transaction(command.body);
    case 'post':
      return session.post(command.id, command.body);
    case 'void':
      return session.void(command.id, command.body);
    case 'reverse':
      return session.reverse(command.original, command.body);
    case 'status':
      return session.status(command.id);
    case 'createAccount':
      return session.createAccount(command.body);
    case 'updateAccount':
      return session.updateAccount(command.id, command.body);
    case 'account':
      return session.account(command.id);
    case 'balance':
      return session.balance(command.id);
  }
}
