import { PERMISSIONS, type Permission } from '../session.js';

const POS: readonly Permission[] = [
  'transactions:create',
  'transactions:end',
  'transactions:read',
  'accounts:read',
];
const TELLER: readonly Permission[] = [
  ...POS,
  'accounts:create',
  'transactions:end_any',
  'transactions:reverse',
];

/** What each role of a token may do. */
export const ROLES = {
  pos: new Set(POS),
  teller: new Set(TELLER),
  approver: new Set<Permission>([...TELLER, 'transactions:approve']),
  auditor: new Set<Permission>(['accounts:read', 'transactions:read', 'analytics:read', 'analytics:sql']),
  admin: new Set(PERMISSIONS),
} as const satisfies Record<string, ReadonlySet<Permission>>;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as Role[];

export function isRole(name: unknown): name is Role {
  return typeof name === 'string' && Object.hasOwn(ROLES, name);
}
