# Two images from one tree: `node` runs Plimsoll, `anvil` runs the chain that it settles on.

FROM python:3.12-slim-bookworm AS node
WORKDIR /opt/plimsoll
# The lock first: as long as it does not change, the layer with the packages is reused.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY node ./node
COPY contracts/artifacts ./contracts/artifacts
COPY configs ./configs
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --system plimsoll \
    && install --directory --owner plimsoll /var/lib/plimsoll
USER plimsoll
VOLUME /var/lib/plimsoll
EXPOSE 8080
ENTRYPOINT ["plimsoll"]

FROM node:22-bookworm-slim AS anvil
WORKDIR /opt/anvil
COPY contracts/package.json contracts/package-lock.json ./
# Not `npm ci`: it refuses a lock file that lacks the anvil binaries of other platforms.
RUN npm install --no-save && install --directory --owner node /var/lib/anvil
USER node
VOLUME /var/lib/anvil
EXPOSE 8545
ENTRYPOINT ["node_modules/.bin/anvil"]
