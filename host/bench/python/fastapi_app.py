"""FastAPI around LightGBM's own predict."""

from fastapi import FastAPI, Request, Response

from serving import answer

app = FastAPI()


@app.get("/v2/health/ready")
async def ready():
    return {"ready": True}


@app.post("/v2/models/flights/infer")
async def infer(request: Request):
    return Response(answer(await request.body()), media_type="application/json")
