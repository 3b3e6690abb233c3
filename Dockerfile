# Kassa in a container. Debian 12, because the native parts need glibc.
FROM node:22-bookworm-slim AS build
WORKDIR /kassa
COPY package.json package-lock.json .npmrc ./
# Without the embedded ClickHouse (566 MB): analytics in a container goes to a server. `npm ci --omit=optional` is no way to it: it leaves out the
# prebuilt binaries of lmdb and uWebSockets.js, too.
RUN npm uninstall --package-lock-only chdb && npm ci
COPY tsconfig.json ./
COPY engine engine
COPY wal wal
COPY src src
COPY bench bench
COPY test test
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
ENV NODE_ENV=production KASSA_DATA=/data KASSA_HOST=0.0.0.0 KASSA_PORT=8080
WORKDIR /kassa
COPY --from=build /kassa/package.json ./
COPY --from=build /kassa/node_modules node_modules
COPY --from=build /kassa/dist/engine dist/engine
COPY --from=build /kassa/dist/wal dist/wal
COPY --from=build /kassa/dist/src dist/src
COPY src/analytics/dashboard/static src/analytics/dashboard/static
COPY src/demo/data src/demo/data
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
# Recovery of a long log may take a while; the server answers "not ready" meanwhile.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.KASSA_PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/cli.js", "serve"]
