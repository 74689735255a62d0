"""A gRPC server on Python's grpcio, with reflection and health: what echo.proto describes.

Prints its port when it listens, serves on loopback, and ends when its standard input does. With a folder as argument it
speaks TLS with `cert.pem` and `key.pem` there, and wants certificates of clients that `ca.pem` has signed.
"""

import pathlib
import sys
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, str(pathlib.Path(__file__).parent))
echo_pb2, echo_pb2_grpc = grpc.protos_and_services("echo.proto")

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Echo(echo_pb2_grpc.EchoServicer):
    def Unary(self, request, context):
        self.metadata(context)
        time.sleep(request.delay_ms / 1000)
        self.end(request, context)
        return request

    def Collect(self, requests, context):
        self.metadata(context)
        received = list(requests)
        for request in received:
            self.end(request, context)
        return echo_pb2.Message(
            text=" ".join(request.text for request in received),
            count=len(received),
        )

    def Expand(self, request, context):
        self.metadata(context)
        for number in range(1, request.count + 1):
            time.sleep(request.delay_ms / 1000)
            yield echo_pb2.Message(text=request.text, number=number)
        self.end(request, context)

    def Chat(self, requests, context):
        self.metadata(context)
        for request in requests:
            time.sleep(request.delay_ms / 1000)
            self.end(request, context)
            yield request

    @staticmethod
    def metadata(context):
        """What begins with `x-` comes back in headers, the binary ones in trailers."""
        given = context.invocation_metadata()
        context.send_initial_metadata([(k, v) for k, v in given if k.startswith("x-") and not k.endswith("-bin")])
        context.set_trailing_metadata([(k, v) for k, v in given if k.startswith("x-") and k.endswith("-bin")])

    @staticmethod
    def end(request, context):
        if request.status:
            context.abort(CODES[request.status], "asked for: " + request.text)


def add_port(server, folders):
    if not folders:
        return server.add_insecure_port("127.0.0.1:0")
    read = lambda name: (pathlib.Path(folders[0]) / name).read_bytes()
    mine = [(read("key.pem"), read("cert.pem"))]
    return server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(mine, read("ca.pem"), True))


def main():
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)],
    )
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    checks = health.HealthServicer()
    checks.set("kingtide.test.Echo", health_pb2.HealthCheckResponse.SERVING)
    checks.set("kingtide.test.Resting", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = ("kingtide.test.Echo", health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    port = add_port(server, sys.argv[1:])
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


main()
