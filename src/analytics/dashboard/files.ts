/** A file of the dashboard as it is served. */
export interface DashboardFile {
  readonly file: URL;
  readonly contentType: string;
}

/** By path: what `GET /dashboard` and the paths below it give. */
export const DASHBOARD_FILES: ReadonlyMap<string, DashboardFile> = new Map();
